/**
 * Claude Code's own login, in its own file and under its own locks, with Claude Code itself. Its notes of who holds a lock
 * let either program prove the other dead.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Command from "../Command.js"
import * as Anthropic from "./anthropic.js"
import * as Stage from "./stage.js"
import * as Table from "./table.js"

const ROW = "Claude Code"
const seen = Table.observe(ROW, "claude")

/** Milliseconds without a heartbeat, after which a lock is left behind, whatever is known of its holder. */
const STALE = 60_000

const setUp = Effect.gen(function*() {
  const stage = yield* Stage.make
  const vendor = yield* Anthropic.make(stage)
  const login = yield* stage.server.issue("bob")
  const file = stage.path(".claude", ".credentials.json")
  mkdirSync(dirname(file), { mode: 0o700 })
  const write = (text: string) => {
    writeFileSync(`${file}.test`, text, { mode: 0o600 })
    renameSync(`${file}.test`, file)
  }
  const read = () => readFileSync(file, "utf8")
  writeFileSync(stage.path(".claude.json"), JSON.stringify({ hasCompletedOnboarding: true }))
  write(JSON.stringify({
    mcpOAuth: { "other|0": { serverName: "other", serverUrl: "https://other.example", accessToken: "", n: 1e3 } },
    claudeAiOauth: {
      accessToken: login.access_token,
      refreshToken: login.refresh_token,
      expiresAt: 1_000,
      scopes: ["user:inference", "user:profile"],
      subscriptionType: "max",
      rateLimitTier: null
    },
    organizationUuid: "0-0"
  }))
  const entry = yield* Command.entry
  const claude = stage.start("claude", ["-p", "hi"], vendor.environment)
  const lockstep = stage.harness.spawn({
    args: [entry, "token", "anthropic-oauth", "--store", "claude-code"],
    env: vendor.environment,
    prints: ["access_token"]
  })
  return {
    stage,
    vendor,
    /** When the holder of the lock last said that it runs. */
    heartbeat: () => statSync(stage.path(".claude", ".oauth_refresh.lock")).mtimeMs,
    claude,
    lockstep,
    token: () => (JSON.parse(read()) as { claudeAiOauth: { accessToken: string } }).claudeAiOauth.accessToken,
    stable: () =>
      read().replace(
        /("(?:accessToken|refreshToken)": ?)"sk[^"]*"|("(?:accessToken|refreshToken)": ?)"[^"]+"/g,
        "$1$2\"\""
      )
        .replace(/("expiresAt": ?)\d+/, "$10"),
    expire: Effect.sync(() => write(read().replace(/("expiresAt": ?)\d+/, "$11000"))),
    /** Claude Code asks its model once. */
    ask: Effect.gen(function*() {
      const child = yield* claude
      yield* child.closeStdin
      const { stderr, stdout } = yield* stage.ended(child)
      assert.include(stdout, Anthropic.WORDS, stderr)
    }).pipe(Effect.scoped, Effect.orDie),
    obtain: Effect.gen(function*() {
      const { code, stderr, stdout } = yield* Effect.flatMap(lockstep, stage.ended)
      assert.strictEqual(code, 0, stderr)
      return stdout.trim()
    }).pipe(Effect.scoped)
  }
})

describe.skipIf(!Stage.isInstalled("claude"))(`${ROW}, the real program`, () => {
  it.scopedLive(
    "reads what Lockstep writes and writes what Lockstep reads, and every other byte stays",
    () =>
      Effect.gen(function*() {
        const { ask, expire, obtain, stable, stage, token, vendor } = yield* setUp
        yield* ask
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        assert.strictEqual(yield* obtain, token())
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        seen("reads")

        yield* expire
        const [before, old] = [stable(), token()]
        assert.strictEqual(yield* obtain, token())
        assert.notStrictEqual(token(), old)
        assert.strictEqual(stable(), before)
        const from = vendor.answered.length
        yield* ask
        assert.deepStrictEqual([...new Set(vendor.answered.slice(from))], [token()])
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 2, reuses: 0, refusals: 0 })
        yield* stage.harness.assertNoLeak
        seen("is read")
      }),
    240_000
  )

  it.scopedLive("and Lockstep, many processes each, redeem once an expiry", () =>
    Effect.gen(function*() {
      const { ask, expire, obtain, stage, token } = yield* setUp
      for (const expiry of [1, 2, 3]) {
        yield* expire
        const [, tokens] = yield* Effect.all([
          Effect.all([ask, ask, ask], { concurrency: "unbounded" }),
          Effect.all([obtain, obtain, obtain], { concurrency: "unbounded" })
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* stage.counts, { redemptions: expiry, reuses: 0, refusals: 0 })
        assert.deepStrictEqual([...new Set(tokens)], [token()])
      }
      yield* stage.harness.assertNoLeak
      seen("shared")
    }), 300_000)

  it.scopedLive(
    "takes over from a Lockstep that was killed while its request was under way",
    () =>
      Effect.gen(function*() {
        const { ask, lockstep, stage, token } = yield* setUp
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
        const { claude, heartbeat, obtain, stage, token } = yield* setUp
        const before = token()
        const held = yield* stage.server.requests.hold
        const killed = yield* claude
        yield* killed.closeStdin
        yield* Queue.take(held.arrivals)
        yield* killed.signal("SIGKILL")
        yield* killed.exit
        const last = heartbeat()
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

  it("stands in the table of the documents as it was seen", () => Table.compare(ROW, "claude"))
})
