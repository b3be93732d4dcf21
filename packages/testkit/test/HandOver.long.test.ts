/**
 * The start of the command takes the tenant's lock before it loads the program, and hands it over. A process that dies in
 * between has spent nothing and frees the lock; a process that waits meanwhile never loads the program at all.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Command from "./Command.js"
import * as Stage from "./Stage.js"

const KILL_AT_CALL = fileURLToPath(new URL("./fixtures/killAtCall.cjs", import.meta.url))

/** So many of the steps are tried, the first ones and then some of the rest, all in the course of many runs. */
const FIRST = 10
const SAMPLE = 12

const token = (stage: Stage.Stage, env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(Command.entry, (entry) =>
    stage.harness.spawn({
      args: ["--require", KILL_AT_CALL, entry, "token", Stage.TENANT],
      env,
      prints: ["access_token"]
    }))

const lockOf = (stage: Stage.Stage): string => join(stage.harness.home, `auth.json.refresh.${Stage.TENANT}.lock`)

/** Asked of the kernel, by a program that is not ours. */
const isFree = (stage: Stage.Stage): boolean =>
  !existsSync(lockOf(stage)) || spawnSync("flock", ["-n", lockOf(stage), "true"]).status === 0

const countOf = (stderr: string): { readonly calls: number; readonly programs: number } =>
  JSON.parse(stderr.trim().split("\n").at(-1)!) as { calls: number; programs: number }

const stepsOf = (count: number): ReadonlyArray<number> => {
  const rest = Array.from({ length: SAMPLE }, () => FIRST + 1 + Math.floor(Math.random() * (count - FIRST)))
  return [...new Set([...Array.from({ length: FIRST }, (_, index) => index + 1), ...rest])]
}

describe("the command, between taking the lock and handing it over", () => {
  it.scopedLive(
    "has spent nothing when it is killed, at whatever step, and leaves the lock to the next",
    () =>
      Effect.gen(function*() {
        // What is counted is a start with kept code, as every start after the first is: the first one keeps it.
        const warmed = yield* Stage.make()
        yield* Effect.flatMap(token(warmed), (first) => first.exit)
        const counted = yield* Stage.make()
        const whole = yield* token(counted)
        assert.strictEqual((yield* whole.exit).code, 0, yield* whole.stderr)
        const { calls, programs } = countOf(yield* whole.stderr)
        assert.isAbove(calls, FIRST)
        assert.isAbove(programs, 0)

        const stage = yield* Stage.make()
        const steps = stepsOf(calls)
        console.log(`killed before the calls ${steps.join(", ")} of ${calls}`)
        for (const step of steps) {
          const child = yield* token(stage, { KILL_AT: String(step) })
          assert.strictEqual((yield* child.exit).signal, "SIGKILL", `before call ${step}: ${yield* child.stderr}`)
          assert.strictEqual((yield* stage.counts).redemptions, 0, `before call ${step}`)
          assert.isTrue(isFree(stage), `before call ${step}`)
        }
        const next = yield* token(stage)
        assert.strictEqual((yield* next.exit).code, 0, yield* next.stderr)
        assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
        assert.isTrue(yield* stage.lives())
        assert.deepStrictEqual([yield* stage.hasAnswerFile(), yield* stage.temporaries], [false, []])
        yield* stage.harness.assertNoLeak
      }),
    300_000
  )

  it.scopedLive("holds the lock without a gap from its first call to the answer of the server", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const holder = yield* token(stage)
      yield* Queue.take(hold.arrivals)
      assert.isFalse(isFree(stage))
      yield* hold.release
      assert.strictEqual((yield* holder.exit).code, 0, yield* holder.stderr)
      assert.isTrue(isFree(stage))
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
    }))

  it.scopedLive("loads the program in one of many processes, and the others adopt without it", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const holder = yield* token(stage)
      const request = yield* Queue.take(hold.arrivals)
      const waiters = yield* Effect.forEach([1, 2, 3, 4], () => token(stage))
      yield* request.pass
      for (const child of [holder, ...waiters]) assert.strictEqual((yield* child.exit).code, 0, yield* child.stderr)
      const loaded = yield* Effect.forEach(
        waiters,
        (child) => Effect.map(child.stderr, (text) => countOf(text).programs)
      )
      assert.deepStrictEqual(loaded, [0, 0, 0, 0])
      const tokens = yield* Effect.forEach([holder, ...waiters], (child) => child.stdout)
      assert.strictEqual(new Set(tokens).size, 1)
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("leaves a crowd one redemption, also where the first of it is killed with the lock", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const killed = yield* token(stage, { KILL_AT: "6" })
      const crowd = yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => token(stage))
      assert.strictEqual((yield* killed.exit).signal, "SIGKILL")
      for (const child of crowd) assert.strictEqual((yield* child.exit).code, 0, yield* child.stderr)
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.isTrue(yield* stage.lives())
      yield* stage.harness.assertNoLeak
    }))
})
