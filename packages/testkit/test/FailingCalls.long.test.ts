/**
 * A command whose calls of the system fail from the moment at which the server has spent its refresh token: each of them
 * once, and all of them from one on. What was granted is stored by that command or by the next, and is redeemed once.
 */
import { assert, describe, it } from "@effect/vitest"
import * as RunDirectory from "@lockstep/testkit/processes/RunDirectory"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import { constants } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Command from "./Command.js"
import * as Stage from "./Stage.js"

/** So many of the calls are failed, the first ones and then some of the rest, all in the course of many runs. */
const FIRST = 8
const SAMPLE = 6

const ALWAYS = "999999"

const { EDQUOT, EIO, EMFILE, ENOSPC } = constants.errno
const ERRNOS = [ENOSPC, EIO, EDQUOT, EMFILE]

const shim: string | undefined = (() => {
  if (process.platform !== "linux") return undefined
  const directory = RunDirectory.make(fileURLToPath(new URL("../dist", import.meta.url)), "shim")
  const built = join(directory, "failCalls.so")
  const source = fileURLToPath(new URL("./fixtures/failCalls.c", import.meta.url))
  const compiled = spawnSync("gcc", ["-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"], { stdio: "ignore" })
  return compiled.status === 0 ? built : undefined
})()
if (shim === undefined) process.stderr.write("tests of failing system calls are skipped: there is no compiler\n")

/** A refresh whose calls fail once the server has spent its token. `on` is the file that says so while it is there. */
const refreshing = (
  stage: Stage.Stage,
  fault: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function*() {
    const on = join(dirname(stage.harness.home), "failing")
    const entry = yield* Command.entry
    const hold = yield* stage.server.answers.hold
    const child = yield* stage.harness.spawn({
      args: [entry, "token", Stage.TENANT],
      env: {
        LD_PRELOAD: shim!,
        FAIL_PATH: `${stage.harness.home}/`,
        FAIL_WHILE: on,
        ...fault,
        ...env
      },
      prints: ["access_token"]
    })
    yield* Effect.raceFirst(Queue.take(hold.arrivals), child.exit)
    assert.strictEqual((yield* stage.counts).redemptions, 1, yield* child.stderr)
    Fs.writeFileSync(on, "")
    yield* hold.release
    return { child, stop: Effect.sync(() => Fs.rmSync(on)) }
  })

/** The next process, whose calls do not fail, has what was granted, and nothing was redeemed twice. */
const nextHasIt = (stage: Stage.Stage, what: string) =>
  Effect.gen(function*() {
    const entry = yield* Command.entry
    const next = yield* stage.harness.spawn({ args: [entry, "token", Stage.TENANT], prints: ["access_token"] })
    assert.strictEqual((yield* next.exit).code, 0, `${what}: ${yield* next.stderr}`)
    assert.deepStrictEqual(yield* stage.counts, Stage.ONCE, what)
    const [redemption] = stage.server.ledger.redemptions
    assert.strictEqual((yield* stage.stored()).refreshToken, redemption!.successor, what)
    assert.isTrue(yield* stage.lives(), what)
  })

const nameOf = (errno: number): string => Object.entries(constants.errno).find(([, value]) => value === errno)![0]

const numbers = (count: number): ReadonlyArray<number> => {
  const rest = Array.from({ length: SAMPLE }, () => FIRST + 1 + Math.floor(Math.random() * Math.max(1, count - FIRST)))
  return [...new Set([...Array.from({ length: FIRST }, (_, index) => index + 1), ...rest])]
}

describe.skipIf(shim === undefined)("a command whose system calls fail once its refresh token is spent", () => {
  it.scopedLive(
    "loses nothing, whichever of them it is",
    () =>
      Effect.gen(function*() {
        const counted = yield* Stage.make()
        const whole = yield* refreshing(counted, { FAIL_AT: ALWAYS, FAIL_COUNT: "1" })
        assert.strictEqual((yield* whole.child.exit).code, 0, yield* whole.child.stderr)
        const count = Number(/calls: (\d+)/.exec(yield* whole.child.stderr)![1])
        assert.isAbove(count, FIRST)
        const calls = numbers(count)
        console.log(`failed the calls ${calls.join(", ")} of ${count}`)
        for (const [index, call] of calls.entries()) {
          const errno = ERRNOS[index % ERRNOS.length]!
          const what = `call ${call} failed with ${nameOf(errno)}`
          yield* Effect.scoped(Effect.gen(function*() {
            const stage = yield* Stage.make()
            const { child, stop } = yield* refreshing(stage, {
              FAIL_AT: String(call),
              FAIL_UNTIL: String(call),
              FAIL_ERRNO: String(errno)
            })
            yield* child.exit
            yield* stop
            yield* nextHasIt(stage, what)
            yield* stage.harness.assertNoLeak
          }))
        }
      }),
    300_000
  )

  for (const errno of ERRNOS) {
    it.scopedLive(`keeps it in the user's home where the store's disk has nothing but ${nameOf(errno)}`, () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const { child, stop } = yield* refreshing(stage, {
          FAIL_AT: "1",
          FAIL_UNTIL: ALWAYS,
          FAIL_ERRNO: String(errno)
        })
        assert.strictEqual((yield* child.exit).code, 6, yield* child.stderr)
        const user = stage.harness.environment["HOME"]!
        assert.match(yield* child.stderr, new RegExp(`are kept in ${join(user, ".lockstep")}/`))
        yield* stop
        yield* nextHasIt(stage, nameOf(errno))
        assert.deepStrictEqual(Fs.readdirSync(join(user, ".lockstep")), [])
        yield* stage.harness.assertNoLeak
      }))
  }

  const nowhere = { HOME: "/nonexistent", XDG_RUNTIME_DIR: "/nonexistent" }
  const all = { FAIL_AT: "1", FAIL_UNTIL: ALWAYS, FAIL_ERRNO: String(ENOSPC) }

  it.scopedLive("holds it and tries on where nothing takes it, and prints its token once there is room", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { child, stop } = yield* refreshing(stage, all, nowhere)
      const told = Effect.map(child.stderr, (text) => text.includes("this command holds them and tries again for 30s"))
      yield* Effect.repeat(Effect.delay(told, 20), { until: (is) => is })
      yield* stop
      assert.strictEqual((yield* child.exit).code, 0, yield* child.stderr)
      assert.match(yield* child.stdout, /\S/)
      assert.isFalse(yield* stage.hasAnswerFile())
      yield* nextHasIt(stage, "held on")
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("says what remains when its time is over", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const { child } = yield* refreshing(stage, all, {
        ...nowhere,
        LOCKSTEP_QUIET_TIME: "1s",
        LOCKSTEP_REDEEM_LIMIT: "2s",
        LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "1s",
        LOCKSTEP_PERSIST_RETRY: "100ms",
        LOCKSTEP_LOCK_TIMEOUT: "4s"
      })
      assert.strictEqual((yield* child.exit).code, 6)
      assert.match(
        yield* child.stderr,
        /\nlockstep: agent has new tokens, but .* could not be written .*; they are kept in the memory of this process\n/
      )
      assert.match(yield* child.stderr, /\n→ free disk space .*: where it asks for a login, the new tokens ended with/)
      yield* stage.harness.assertNoLeak
    }))
})
