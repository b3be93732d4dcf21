import { assert, describe, it } from "@effect/vitest"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Command from "./Command.js"
import * as Stage from "./Stage.js"

/** A `lockstep token` whose request the server has answered, with the answer still on its way. */
const midFlight = Effect.gen(function*() {
  const stage = yield* Stage.make()
  const hold = yield* stage.server.answers.hold
  const child = yield* stage.harness.spawn({
    args: [yield* Command.entry, "token", Stage.TENANT],
    prints: ["access_token"],
    barrier: true
  })
  yield* ChildProcess.startTogether([child])
  yield* Queue.take(hold.arrivals)
  return { stage, hold, child }
})

describe("a signal during a refresh", () => {
  for (
    const [signals, code] of [
      [["SIGINT"], 130],
      [["SIGTERM"], 143],
      [["SIGHUP"], 129],
      [["SIGINT", "SIGINT"], 130]
    ] as const
  ) {
    it.scopedLive(`${signals.join(" and ")}: the rotated token is on disk, and the exit code is ${code}`, () =>
      Effect.gen(function*() {
        const { child, hold, stage } = yield* midFlight
        yield* Effect.forEach(signals, (signal, index) => Effect.zipRight(child.signal(signal), child.heard(index + 1)))
        yield* hold.release
        assert.strictEqual((yield* child.exit).code, code)
        const [redemption] = stage.server.ledger.redemptions
        assert.deepStrictEqual(yield* stage.stored(), { refreshToken: redemption!.successor, generation: 2 })
        assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
        assert.isTrue(yield* stage.lives())
        assert.isFalse(yield* stage.hasAnswerFile())
        yield* stage.harness.assertNoLeak
      }))
  }
})
