/**
 * Claude Code's own login, in its own file and under its own locks, with Claude Code itself. Its notes of who holds a lock
 * let either program prove the other dead.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { statSync } from "node:fs"
import * as Stage from "./stage.js"
import { setUp, type VendorLogin, vendorLoginTests } from "./vendorLogin.js"

/** Milliseconds without a heartbeat, after which a lock is left behind, whatever is known of its holder. */
const STALE = 60_000

const login: VendorLogin = {
  program: "claude",
  row: "Claude Code",
  store: "claude-code",
  tenant: "anthropic-oauth",
  file: ({ path }) => path(".claude", ".credentials.json"),
  surroundings: ({ path }) => ({ [path(".claude.json")]: JSON.stringify({ hasCompletedOnboarding: true }) }),
  text: ({ access_token, refresh_token }) =>
    JSON.stringify({
      mcpOAuth: { "other|0": { serverName: "other", serverUrl: "https://other.example", accessToken: "", n: 1e3 } },
      claudeAiOauth: {
        accessToken: access_token,
        refreshToken: refresh_token,
        expiresAt: 1_000,
        scopes: ["user:inference", "user:profile"],
        subscriptionType: "max",
        rateLimitTier: null
      },
      organizationUuid: "0-0"
    }),
  stable: (text) =>
    text.replace(/("(?:accessToken|refreshToken)": ?)"[^"]+"/g, "$1\"\"").replace(/("expiresAt": ?)\d+/, "$10"),
  expired: (text) => text.replace(/("expiresAt": ?)\d+/, "$11000"),
  token: (text) => (JSON.parse(text) as { claudeAiOauth: { accessToken: string } }).claudeAiOauth.accessToken,
  question: ["-p", "hi"]
}

/** When the holder of the lock last said that it runs. */
const heartbeat = ({ path }: Stage.Stage): number => statSync(path(".claude", ".oauth_refresh.lock")).mtimeMs

vendorLoginTests(login)

describe.skipIf(!Stage.isInstalled("claude"))("Claude Code's lock, with the real program", () => {
  it.scopedLive(
    "takes over from a Lockstep that was killed while its request was under way",
    () =>
      Effect.gen(function*() {
        const { ask, lockstep, stage, token } = yield* setUp(login)
        const before = token()
        const held = yield* stage.server.requests.hold
        const killed = yield* lockstep
        yield* Queue.take(held.arrivals)
        yield* killed.signal("SIGKILL")
        yield* killed.exit
        // What the killed one sent is never looked at.
        yield* Effect.all([ask, Effect.flatMap(Queue.take(held.arrivals), ({ pass }) => pass)], {
          concurrency: "unbounded"
        })
        assert.notStrictEqual(token(), before)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
      }),
    240_000
  )

  it.scopedLive(
    "is taken over from by Lockstep, when it was killed while its request was under way",
    () =>
      Effect.gen(function*() {
        const { obtain, program, stage, token } = yield* setUp(login)
        const before = token()
        const held = yield* stage.server.requests.hold
        const killed = yield* program
        yield* killed.closeStdin
        yield* Queue.take(held.arrivals)
        yield* killed.signal("SIGKILL")
        yield* killed.exit
        const last = heartbeat(stage)
        const [told] = yield* Effect.all([
          obtain,
          Effect.gen(function*() {
            const { pass } = yield* Queue.take(held.arrivals)
            assert.isBelow(Date.now() - last, STALE, "it was not waited until the lock was stale")
            yield* pass
          })
        ], { concurrency: "unbounded" })
        assert.strictEqual(told, token())
        assert.notStrictEqual(token(), before)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
      }),
    240_000
  )
})
