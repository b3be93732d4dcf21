/** A strict authorization server, a database with expired logins, and hosts whose processes are real. */
import { assert } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import type { Setup } from "@lockstep/testkit/processes/WorkerCommand"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Fleets from "./fleets.js"
import type { Server } from "./servers.js"

export const TENANT = TenantId.make("agent")

export const ONCE = { redemptions: 1, reuses: 0, revocations: 0 }

const KEY = Buffer.alloc(32, 7).toString("base64")

export interface Options {
  readonly tenants?: ReadonlyArray<TenantId.TenantId>
  /** Ports of further servers that the address names, or of one in place of the server's own. */
  readonly servers?: ReadonlyArray<number>
}

/** The address of a database at these ports of loopback. */
const at = (url: string, server: Server, ports: ReadonlyArray<number>): string =>
  url.replace(`127.0.0.1:${server.port}`, ports.map((port) => `127.0.0.1:${port}`).join(","))

export const make = (server: Server, { servers = [server.port], tenants = [TENANT] }: Options = {}) =>
  Effect.gen(function*() {
    const authorization = yield* AuthorizationServer.make()
    const database = yield* Fleets.database(server)
    const harness = yield* ProcessHarness.make({
      secrets: () => [
        ...authorization.ledger.secrets,
        { kind: "client_secret", value: server.password },
        { kind: "client_secret", value: KEY }
      ]
    })
    const directory = yield* Fleets.temporary
    const url = at(database.url, server, servers)
    const observer = yield* Fleets.open({ address: Fleets.addressOf(url) }, join(directory, "observer"))
    /** Stores a login of a tenant that has expired. */
    const login = (tenant: TenantId.TenantId) =>
      Effect.gen(function*() {
        const issued = yield* SeededHome.issue(authorization, tenant)
        const now = Math.floor(Date.now() / 1_000)
        yield* Custodies.login(
          observer.custody,
          tenant,
          Credential.Credential.make({
            accessToken: Option.some(Redacted.make(issued.access_token)),
            refreshToken: Option.some(Redacted.make(issued.refresh_token)),
            tokenEndpoint: Option.some(issued.token_endpoint),
            issuer: Option.fromNullable(issued.issuer),
            clientId: Option.some(issued.client_id),
            obtainedAt: Option.some(now - 7_200),
            expiresAt: Option.some(now - 3_600),
            generation: 1
          })
        )
      })
    yield* Effect.forEach(tenants, login, { discard: true })
    const secret = (name: string, text: string): string => {
      const path = join(directory, name)
      writeFileSync(path, `${text}\n`, { mode: 0o600 })
      return path
    }
    const env = {
      LOCKSTEP_POSTGRES_URL_FILE: secret("url", url),
      LOCKSTEP_SECRETS_KEY_FILE: secret("key", KEY),
      LOCKSTEP_QUIET_TIME: "1ms"
    }
    const homeOf = (host: string): string => {
      const home = join(directory, host)
      // Made by a process whose clock is that of the file system: one that is not would not know it for its own.
      mkdirSync(join(home, "spool"), { recursive: true, mode: 0o700 })
      return home
    }
    return {
      authorization,
      database,
      harness,
      observer,
      directory,
      env,
      homeOf,
      login,
      /** One more process of a host. */
      spawn: (host: string, stop?: Setup["stop"], more: Readonly<Record<string, string>> = {}, ahead = 0) =>
        RemoteWorker.spawn(harness, {
          host,
          ahead,
          setup: { store: "postgres", ...(stop === undefined ? {} : { stop }) },
          env: { ...env, LOCKSTEP_HOME: homeOf(host), ...more }
        }),
      stored: (tenant = TENANT) =>
        Effect.map(Effect.flatten(observer.store.get(tenant)), ({ credential }) => credential),
      lives: (tenant = TENANT) =>
        Effect.flatMap(
          Effect.flatten(observer.store.get(tenant)),
          ({ credential }) => authorization.isActive(Redacted.value(Option.getOrThrow(credential.refreshToken)))
        ),
      counts: Effect.sync(() => ({
        redemptions: authorization.ledger.redemptions.length,
        reuses: authorization.ledger.reuses.length,
        revocations: authorization.ledger.revocations.length
      })),
      /** The same of one tenant alone. */
      countsOf: (tenant: TenantId.TenantId) =>
        Effect.sync(() => {
          const { redemptions, reuses, revocations } = authorization.ledger
          const own = redemptions.filter(({ accountId }) => accountId === tenant)
          const presented = new Set(own.map(({ fingerprint }) => fingerprint))
          return {
            redemptions: own.length,
            reuses: reuses.filter(({ fingerprint }) => presented.has(fingerprint)).length,
            revocations: revocations.filter(({ accountId }) => accountId === tenant).length
          }
        }),
      /** Nothing that any process showed, and no row, holds a token. */
      assertNoLeak: Effect.gen(function*() {
        yield* harness.assertNoLeak
        const rows = yield* database.sql(
          `select t::text as row from lockstep.tenant t union all select c::text from lockstep.credential c
            union all select s::text from lockstep.session s`
        )
        const texts = JSON.stringify(rows)
        for (const { value } of authorization.ledger.secrets) assert.notInclude(texts, value)
      })
    }
  })
