/** A keeper in this process, over logins that never need a server: what is tested is who gets what, and what is refused. */
import { AccessToken } from "@lockstep/core/AccessToken"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { ReauthorizationRequired, type RefreshError } from "@lockstep/core/Errors"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as UnderWay from "@lockstep/core/UnderWay"
import * as AgentKey from "@lockstep/node/AgentKey"
import * as Keeper from "@lockstep/serve/Keeper"
import { KeeperHost } from "@lockstep/serve/KeeperHost"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Every refresh token that there is; no answer may hold one. */
export const REFRESH = "refresh-token-of-"
export const ACCESS = "access-token-of-"

const TENANTS = ["codex", "mcp:a", "mcp:b"]

const tokenOf = (tenant: TenantId.TenantId): Effect.Effect<AccessToken, RefreshError> =>
  TENANTS.includes(tenant)
    ? Effect.succeed(
      new AccessToken({
        tenant,
        token: Redacted.make(`${ACCESS}${tenant}`),
        tokenType: "Bearer",
        scope: Option.none(),
        resource: Option.none(),
        expiresAt: Option.some(4_000_000_000),
        account: Option.none(),
        generation: 1
      })
    )
    : new ReauthorizationRequired({ tenant, reason: "NotFound" })

const coordinator = RefreshCoordinator.of({
  accessToken: tokenOf,
  peek: tokenOf,
  recover: tokenOf,
  refresh: (tenant) =>
    Effect.map(tokenOf(tenant), (token) => ({ token, by: "adopted", rotated: false, previousGeneration: 1 })),
  storeKept: () => Effect.void,
  keepFresh: () => Effect.void,
  changes: Stream.never,
  underWay: UnderWay.make()
})

const store = CredentialStore.of({
  location: "/home/auth.json",
  get: () => Effect.succeedNone,
  list: Effect.succeed(TENANTS.map((one) => TenantId.make(one))),
  epoch: () => 0,
  changes: () => Effect.never,
  listen: () => () => {}
})

const hostOf = (home: string): KeeperHost["Type"] =>
  KeeperHost.of({
    home,
    store: { location: store.location, kind: "file" },
    word: (error) => {
      const { _tag, message, advice, tenant } = error as ReauthorizationRequired
      return Effect.succeed({ _tag, reason: "NotFound", message, advice, exit_code: 3, tenant })
    },
    survey: Effect.succeed(TENANTS.map((tenant) => ({ tenant, state: "fresh", generation: 1 }))),
    beginLogin: ({ permits, target }) =>
      permits(target)
        ? Effect.succeed({ tenant: target, kind: "browser", url: "https://as.example/authorize", expires_at: 1 })
        : Effect.fail(new ReauthorizationRequired({ tenant: target, reason: "NotFound" })),
    completeLogin: (tenant) => Effect.succeed({ tenant, generation: 2 }),
    pollLogin: (tenant) => Effect.succeed({ tenant, generation: 2 })
  })

export interface Setup {
  readonly shared?: boolean
  readonly port?: boolean
  readonly limits?: Partial<Keeper.Limits>
}

export const make = (setup: Setup = {}) =>
  Effect.gen(function*() {
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "keeper-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const audit = join(home, "audit.jsonl")
    const keeper = yield* Keeper.open({
      file: join(home, "auth.json"),
      lockDirectory: home,
      socket: join(home, "serve.sock"),
      shared: setup.shared === true ? join(home, "shared.sock") : undefined,
      port: setup.port === true ? 0 : undefined,
      ahead: "Nothing",
      audit,
      limits: setup.limits ?? {}
    }).pipe(
      Effect.provide(Layer.mergeAll(
        Layer.succeed(RefreshCoordinator, coordinator),
        Layer.succeed(CredentialStore, store),
        Layer.succeed(KeeperHost, hostOf(home)),
        RefreshPolicy.layer()
      ))
    )
    const keys: Array<AgentKey.AgentKey> = []
    return {
      ...keeper,
      home,
      audit: (): string => existsSync(audit) ? readFileSync(audit, "utf8") : "",
      /** Gives an agent a key, as `lockstep agent add` does. */
      add: (name: string, options: { readonly tenants: ReadonlyArray<string>; readonly login?: boolean }): string => {
        const { key, secret } = AgentKey.make({
          name,
          tenants: options.tenants,
          createdAt: 1,
          expiresAt: undefined,
          login: options.login === true
        })
        keys.push(key)
        const agents = keys.map(({ createdAt, expiresAt, ...rest }) => ({
          ...rest,
          created_at: createdAt,
          expires_at: expiresAt ?? null
        }))
        writeFileSync(join(home, "agents.json"), JSON.stringify({ version: 1, agents }), { mode: 0o600 })
        return Redacted.value(secret)
      }
    }
  })

export type Stage = Effect.Effect.Success<ReturnType<typeof make>>

export type Door = string | { readonly port: number }

export const portOf = ({ url }: Pick<Stage, "url">): number => Number(new URL(url!).port)

/** Sends bytes and answers with everything that comes back until the connection ends. */
export const speak = (door: Door, bytes: string | Buffer): Effect.Effect<string> =>
  Effect.async((resume) => {
    const socket = typeof door === "string" ? Net.connect(door) : Net.connect(door.port, "127.0.0.1")
    let text = ""
    socket.on("data", (chunk) => (text += chunk.toString("latin1")))
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(text)))
    socket.write(bytes)
  })

/** A request in bytes, with what every request has. */
export const head = (start: string, ...lines: ReadonlyArray<string>): string =>
  [start, "Host: localhost", "Connection: close", "Lockstep-Client: tests", ...lines, "", ""].join("\r\n")

export const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)

/** Connects and keeps the connection, for as long as the scope lives. */
export const connect = (door: Door): Effect.Effect<Net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Net.Socket>((resume) => {
      const socket = typeof door === "string" ? Net.connect(door) : Net.connect(door.port, "127.0.0.1")
      socket.on("error", () => resume(Effect.succeed(socket)))
      socket.once("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
