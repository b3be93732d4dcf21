/**
 * Agents that share one login at an MCP server: real processes with real clients of the MCP SDK, a real server, and an
 * authorization server that rotates and takes no token twice. Minutes are shortened: tokens live for seconds.
 * `LOCKSTEP_SOAK_SECONDS` makes it last longer.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const PROCESSES = 7
/** Seconds. */
const TTL = 4
const SECONDS = Number(process.env["LOCKSTEP_SOAK_SECONDS"] ?? 14)
const TENANT = "mcp:files"
const AGENT = new URL("./fixtures/mcpAgent.ts", import.meta.url)

interface Result {
  readonly calls: number
  readonly failures: number
  readonly logins: number
  readonly errors: ReadonlyArray<string>
}

/** Runs the agents until `until`, and answers with what they and the servers saw. */
const run = (
  keeper: "lockstep" | "sdk",
  until: (server: AuthorizationServer.AuthorizationServer) => Effect.Effect<void>
) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make()
    const resource = yield* McpResource.make({ authorizationServer: server })
    const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
    const login = yield* server.issue("ann", {
      accessTokenTtl: TTL,
      resource: resource.url,
      scope: "openid offline_access mcp:use"
    })
    mkdirSync(harness.home, { recursive: true, mode: 0o700 })
    const now = Math.floor(Date.now() / 1_000)
    const auth = join(harness.home, "auth.json")
    writeFileSync(
      auth,
      JSON.stringify({
        version: 1,
        tenants: {
          [TENANT]: {
            issuer: server.issuer,
            token_endpoint: server.tokenEndpoint,
            client_id: server.clientId,
            access_token: login.access_token,
            refresh_token: login.refresh_token,
            token_type: "Bearer",
            scope: login.scope,
            resource: resource.url,
            obtained_at: now,
            expires_at: now + TTL,
            generation: 1
          }
        }
      }),
      { mode: 0o600 }
    )
    const file = join(harness.home, "tokens.json")
    writeFileSync(
      file,
      JSON.stringify({
        access_token: login.access_token,
        refresh_token: login.refresh_token,
        token_type: "Bearer",
        issuer: server.issuer
      }),
      { mode: 0o600 }
    )

    const bundle = yield* Bundle.make(AGENT)
    const children = yield* harness.race(PROCESSES, (index) => ({
      args: [
        bundle,
        JSON.stringify({
          line: index % 2 === 0 ? "v1" : "v2",
          keeper,
          url: resource.url,
          tenant: TENANT,
          file,
          clientId: server.clientId,
          pause: 120
        })
      ]
    }))
    yield* Effect.forEach(children, (child) => child.message(({ event }) => event === "begun"), {
      concurrency: "unbounded"
    })
    yield* until(server)
    yield* Effect.forEach(children, (child) => child.closeStdin)
    const results = yield* Effect.forEach(children, (child) =>
      Effect.map(child.message(({ event }) => event === "result"), (message) => message as unknown as Result))
    yield* harness.assertNoLeak
    return { auth, results, server, resource }
  })

const sum = (results: ReadonlyArray<Result>, count: (result: Result) => number) =>
  results.reduce((total, result) => total + count(result), 0)

describe(`${PROCESSES} agents that share one login at an MCP server`, () => {
  it.scopedLive("are all answered, rotate one after the other, and log in never again", () =>
    Effect.gen(function*() {
      const { auth, resource, results, server } = yield* run("lockstep", () => Effect.sleep(Duration.seconds(SECONDS)))
      for (const { errors, failures, logins } of results) {
        assert.deepStrictEqual({ errors, failures, logins }, { errors: [], failures: 0, logins: 0 })
      }
      for (const { calls } of results) assert.isAbove(calls, 1)
      const { redemptions, refusals, reuses, revocations } = server.ledger
      assert.deepStrictEqual([reuses, refusals, revocations], [[], [], []])
      assert.isAtLeast(redemptions.length, Math.floor(SECONDS / TTL) - 1)
      // One line of descent: each redeemed what the one before had brought.
      for (const [index, { fingerprint }] of redemptions.entries()) {
        if (index > 0) assert.strictEqual(fingerprint, redemptions[index - 1]!.successor)
      }
      const stored = JSON.parse(readFileSync(auth, "utf8")) as {
        readonly tenants: Record<string, { readonly refresh_token: string }>
      }
      assert.isTrue(yield* server.isActive(stored.tenants[TENANT]!.refresh_token))
      assert.isAbove(resource.tokens.size, 1)
      yield* Effect.logInfo(
        `${PROCESSES} processes, ${SECONDS} s: ${
          sum(results, ({ calls }) => calls)
        } calls, ${redemptions.length} redemptions`
      )
    }), { timeout: 60_000 + SECONDS * 1_000 })

  it.scopedLive("lose it for each other where the SDK keeps it in one file", () =>
    Effect.gen(function*() {
      const { results, server } = yield* run("sdk", (server) =>
        Effect.asVoid(Effect.repeat(Effect.void, {
          schedule: Schedule.spaced("100 millis"),
          until: () => server.ledger.revocations.length > 0
        })))
      assert.isAtLeast(server.ledger.reuses.length, 1)
      assert.deepInclude(server.ledger.revocations.map(({ by }) => by), "reuse")
      assert.isAtLeast(sum(results, ({ failures }) => failures), 1)
      assert.isAtLeast(sum(results, ({ logins }) => logins), 1)
    }))
})
