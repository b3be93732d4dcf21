import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as Processes from "@lockstep/testkit/processes/LockProcesses"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import { fingerprint } from "@lockstep/testkit/servers/TokenLedger"
import * as CodexMcp from "@lockstep/tools/adapters/CodexMcp"
import * as Hermes from "@lockstep/tools/adapters/Hermes"
import * as Openab from "@lockstep/tools/adapters/Openab"
import type { ToolFile } from "@lockstep/tools/ToolFile"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ToolHomes from "./support/toolHomes.js"
import * as ToolProcesses from "./support/toolProcesses.js"

const PROCESSES = 3

interface Tokens {
  readonly access_token: string
  readonly refresh_token: string
}

interface Authority {
  readonly tokenEndpoint: string
  readonly issuer: string
  readonly clientId: string
  readonly first: Tokens
  /** Refreshes as the tool does. */
  readonly refresh: (refreshToken: string) => Effect.Effect<Tokens>
  readonly redemptions: () => number
  readonly reuses: () => number
}

const openIdProvider = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  return {
    ...server,
    first: yield* server.issue("agent"),
    refresh: (token: string) => Effect.map(server.refresh(token), ({ body }) => body as Tokens),
    redemptions: () => server.ledger.redemptions.length,
    reuses: () => server.ledger.reuses.length + server.ledger.refusals.length
  } satisfies Authority
})

/** One that takes the address of an MCP server for a resource, as their servers do. */
const resourceServer = Effect.gen(function*() {
  const server = yield* ScriptedServer.make()
  const { accessToken, refreshToken } = server.issue()
  const refresh = async (token: string) => {
    const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: token, client_id: "client" })
    return await (await fetch(server.tokenEndpoint, { method: "POST", body })).json() as Tokens
  }
  return {
    ...server,
    issuer: server.url,
    clientId: "client",
    first: { access_token: accessToken, refresh_token: refreshToken },
    refresh: (token: string) => Effect.promise(() => refresh(token)),
    redemptions: () => server.redemptions.length,
    reuses: () => server.reuses.length
  } satisfies Authority
})

const cases = [
  { tool: Openab.tool, name: "auth.json", tenant: "agent", resource: Option.none<string>() },
  {
    tool: CodexMcp.tool,
    name: ".credentials.json",
    tenant: "mcp:linear",
    resource: Option.some("https://mcp.example/mcp")
  },
  { tool: Hermes.tool, name: "auth.json", tenant: "agent", resource: Option.none<string>() }
] as const

/** An expired login in a tool's file, processes of ours that want its token, and the lock under which the tool refreshes. */
const stage = ({ name, resource, tenant: tenantName, tool }: {
  readonly tool: ToolFile
  readonly name: string
  readonly tenant: string
  readonly resource: Option.Option<string>
}) =>
  Effect.gen(function*() {
    const tenant = TenantId.make(tenantName)
    const authority: Authority = yield* Option.isSome(resource) ? resourceServer : openIdProvider
    const opened = yield* ToolHomes.withText(tool, name, "{}")
    const { clientId, first, issuer, tokenEndpoint } = authority
    const expired = Math.floor(Date.now() / 1_000) - 3_600
    const login = credential(1, {
      accessToken: Option.some(Redacted.make(first.access_token)),
      refreshToken: Option.some(Redacted.make(first.refresh_token)),
      tokenEndpoint: Option.some(tokenEndpoint),
      issuer: Option.some(issuer),
      clientId: Option.some(clientId),
      resource,
      expiresAt: Option.some(expired),
      obtainedAt: Option.some(expired - 3_600)
    })
    yield* opened.store.modify(tenant, () => Change.Put({ credential: login, value: () => undefined }))
    const plan = opened.lock.plan(LockTarget.Tenant({ tenant }))
    const ours = yield* Effect.replicateEffect(ToolProcesses.spawn({ tool: tool.name, path: opened.path }), PROCESSES)
    const isWaiting = (message: Record<string, unknown>) => message["event"] === "step" && message["step"] === "start"
    return {
      ...opened,
      tenant,
      authority,
      plan,
      ask: Effect.forEach(ours, (child) => child.ask({ do: "token", tenant }), { concurrency: "unbounded" }),
      waiting: Effect.forEach(ours, (child) => child.message(isWaiting))
    }
  })

const failed = (answers: ReadonlyArray<Record<string, unknown>>) => answers.filter(({ event }) => event !== "done")

describe("one login in another tool's file", () => {
  it.scopedLive.each(cases)(
    "$tool.name: those who wait for the tool's lock redeem once, and all have the new token",
    (one) =>
      Effect.gen(function*() {
        const { ask, authority, plan, store, tenant, waiting } = yield* stage(one)
        const holder = yield* Processes.foreignHolder(plan.at(-1)!)
        const asked = yield* Effect.fork(ask)
        yield* waiting
        assert.strictEqual(authority.redemptions(), 0)
        yield* holder.closeStdin
        const answers = yield* asked
        assert.deepStrictEqual(failed(answers), [])
        assert.strictEqual(new Set(answers.map(({ token }) => token)).size, 1)
        assert.deepStrictEqual([authority.redemptions(), authority.reuses()], [1, 0])
        const { credential: stored } = yield* Effect.flatten(store.get(tenant))
        assert.strictEqual(stored.generation, 2)
        assert.notStrictEqual(
          fingerprint(Redacted.value(Option.getOrThrow(stored.refreshToken))),
          fingerprint(authority.first.refresh_token)
        )
      }),
    180_000
  )

  it.scopedLive.each(cases)(
    "$tool.name: what the tool refreshes under its lock is adopted, and nothing is sent",
    (one) =>
      Effect.gen(function*() {
        const { ask, authority, plan, read, waiting, write } = yield* stage(one)
        const { first } = authority
        const holder = yield* Processes.foreignHolder(plan.at(-1)!)
        const asked = yield* Effect.fork(ask)
        yield* waiting
        const rotated = yield* authority.refresh(first.refresh_token)
        const expiry = Math.floor(Date.now() / 1_000) + 3_600
        write(
          read()
            .replace(first.access_token, rotated.access_token)
            .replace(first.refresh_token, rotated.refresh_token)
            .replace(/("expires_at":\s*)\d{13}\b/, `$1${expiry}000`)
            .replace(/("expires_at":\s*)\d{10}\b/, `$1${expiry}`)
            .replace(/("last_refresh":\s*)"[^"]*"/, `$1"${new Date().toISOString()}"`)
        )
        const answers = yield* asked
        yield* holder.closeStdin
        assert.deepStrictEqual(failed(answers), [])
        assert.strictEqual(new Set(answers.map(({ token }) => token)).size, 1)
        assert.deepStrictEqual([authority.redemptions(), authority.reuses()], [1, 0])
      }),
    180_000
  )
})
