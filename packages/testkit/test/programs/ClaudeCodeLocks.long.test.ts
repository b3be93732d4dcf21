/**
 * Claude Code's lock of a refresh at an MCP server, after its holder was killed, with Claude Code itself. It keeps no note of
 * who holds this lock: Claude Code takes it over a minute after the last heartbeat, and Lockstep by a note of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Command from "../Command.js"
import * as ClaudeCode from "./claudeCode.js"
import * as Stage from "./stage.js"

/** Milliseconds without a heartbeat, after which a lock is left behind. */
const STALE = 60_000

const LOCKSTEP = ["token", "mcp:files", "--store", "claude-code"]

/** A login that has ended, and a Lockstep that was killed while its refresh was under way. */
const setUp = Effect.gen(function*() {
  const stage = yield* Stage.make
  const file = ClaudeCode.file(stage)
  const files = { ...ClaudeCode.surroundings(stage), [file]: ClaudeCode.expired(ClaudeCode.text(stage)) }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, text, { mode: 0o600 })
  }
  const held = yield* stage.server.requests.hold
  const killed = yield* stage.harness.spawn({ args: [yield* Command.entry, ...LOCKSTEP], prints: ["access_token"] })
  yield* Queue.take(held.arrivals)
  yield* killed.signal("SIGKILL")
  yield* killed.exit
  const [lock] = readdirSync(dirname(file)).filter((name) => /^mcp-refresh-files.*\.lock\.lock$/.test(name))
  assert.isDefined(lock, "it left no lock behind")
  return { stage, held, lock: join(dirname(file), lock!), token: () => ClaudeCode.token(readFileSync(file, "utf8")) }
})

describe.skipIf(!Stage.isInstalled("claude"))("Claude Code's lock of an MCP server, with the real program", () => {
  it.scopedLive(
    "is waited for while a Lockstep that was killed may hold it, and taken over a minute after its last heartbeat",
    () =>
      Effect.gen(function*() {
        const { held, lock, stage, token } = yield* setUp
        const before = token()
        const log = stage.path("debug.log")
        const program = yield* stage.start("claude", ["--debug-file", log, "mcp", "list"])
        const said = (text: string) => existsSync(log) && readFileSync(log, "utf8").includes(text)
        yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => said("Refresh lock held by another process") })
        // What the killed one sent is never looked at, and no other request has come.
        assert.deepStrictEqual(yield* Queue.size(held.arrivals), 0)
        const then = new Date(Date.now() - STALE - 1_000)
        utimesSync(lock, then, then)
        const [{ stdout }] = yield* Effect.all([
          stage.ended(program),
          Effect.flatMap(Queue.take(held.arrivals), ({ pass }) => pass)
        ], { concurrency: "unbounded" })
        assert.include(stdout, "Connected")
        assert.notStrictEqual(token(), before)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
      }),
    240_000
  )

  it.scopedLive(
    "is taken over at once by another Lockstep, which finds the note of the one that was killed",
    () =>
      Effect.gen(function*() {
        const { held, lock, stage, token } = yield* setUp
        const last = statSync(lock).mtimeMs
        yield* Effect.fork(Effect.flatMap(Queue.take(held.arrivals), ({ pass }) => pass))
        const { code, stderr, stdout } = yield* stage.lockstep(...LOCKSTEP)
        assert.strictEqual(code, 0, stderr)
        assert.isBelow(Date.now() - last, STALE, "it was not waited until the lock was stale")
        assert.strictEqual(stdout, `${token()}\n`)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
        assert.deepStrictEqual([existsSync(lock), existsSync(`${lock}.owner`)], [false, false])
      }),
    240_000
  )
})
