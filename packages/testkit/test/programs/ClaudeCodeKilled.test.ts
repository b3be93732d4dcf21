/**
 * A holder of Claude Code's refresh lock that is killed: its note of who holds the lock lets the other program prove it
 * dead. Claude Code would give up otherwise after some seconds, and Lockstep would wait for a minute.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Command from "../Command.js"
import * as ClaudeCode from "./claudeCode.js"
import * as Stage from "./stage.js"

const setUp = Effect.gen(function*() {
  const stage = yield* Stage.make
  const file = ClaudeCode.file(stage)
  const files = { ...ClaudeCode.surroundings(stage), [file]: ClaudeCode.expired(ClaudeCode.text(stage)) }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, text, { mode: 0o600 })
  }
  const entry = yield* Command.entry
  return {
    stage,
    held: yield* stage.server.requests.hold,
    token: () => ClaudeCode.token(readFileSync(file, "utf8")),
    lockstep: stage.harness.spawn({
      args: [entry, "token", "mcp:files", "--store", "claude-code"],
      prints: ["access_token"]
    }),
    claude: stage.start("claude", ["mcp", "list"])
  }
})

describe.skipIf(!Stage.isInstalled("claude"))("Claude Code's lock, with the real program", () => {
  it.scopedLive(
    "of Lockstep, killed while its request is under way, is taken over by Claude Code",
    () =>
      Effect.gen(function*() {
        const { claude, held, lockstep, stage, token } = yield* setUp
        const before = token()
        const killed = yield* lockstep
        yield* Queue.take(held.arrivals)
        yield* killed.signal("SIGKILL")
        yield* killed.exit
        // What was killed has sent nothing, as far as the server is concerned: its request is never looked at.
        const program = yield* claude
        const { pass } = yield* Queue.take(held.arrivals)
        yield* pass
        const { stderr, stdout } = yield* stage.ended(program)
        assert.include(stdout, "Connected", stderr)
        assert.notStrictEqual(token(), before)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
      }),
    240_000
  )

  it.scopedLive(
    "of Claude Code, killed while its request is under way, is taken over by Lockstep",
    () =>
      Effect.gen(function*() {
        const { claude, held, lockstep, stage, token } = yield* setUp
        const before = token()
        const killed = yield* claude
        yield* Queue.take(held.arrivals)
        yield* killed.signal("SIGKILL")
        yield* killed.exit
        const command = yield* lockstep
        const { pass } = yield* Queue.take(held.arrivals)
        yield* pass
        const { code, stderr, stdout } = yield* stage.ended(command)
        assert.strictEqual(code, 0, stderr)
        assert.strictEqual(stdout, `${token()}\n`)
        assert.notStrictEqual(token(), before)
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 1, reuses: 0, refusals: 0 })
      }),
    240_000
  )
})
