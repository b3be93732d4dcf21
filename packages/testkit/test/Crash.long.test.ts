import { assert, describe, it } from "@effect/vitest"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import type { Setup } from "@lockstep/testkit/processes/WorkerCommand"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stage from "./Stage.js"

const command = { _tag: "AccessToken", tenant: Stage.TENANT } as const

/** Starts a worker that asks for a token and dies at a step of its refresh, and waits until it is dead. */
const dieAt = (stage: Stage.Stage, stop: Omit<NonNullable<Setup["stop"]>, "signal">) =>
  Effect.gen(function*() {
    const worker = yield* RemoteWorker.spawn(stage.harness, { setup: { stop: { ...stop, signal: "SIGKILL" } } })
    yield* worker.begin(command)
    yield* worker.stopping
    assert.strictEqual((yield* worker.child.exit).signal, "SIGKILL")
  })

const retryAtOnce = { LOCKSTEP_QUIET_TIME: "1ms" }

const next = (stage: Stage.Stage, env: Readonly<Record<string, string>> = retryAtOnce) =>
  Effect.flatMap(RemoteWorker.spawn(stage.harness, { env }), (worker) => worker.run(command))

const isUnknown = (outcome: RemoteWorker.Outcome) => {
  assert.deepInclude(outcome.error, { _tag: "ReauthorizationRequired", reason: "OutcomeUnknown" })
}

describe("a process that is killed", () => {
  for (
    const stop of [
      { span: "lockstep.refresh.lock", at: "end" },
      { span: "lockstep.refresh.reread", at: "end" },
      { span: "lockstep.refresh.prepare", at: "end" },
      { span: "lockstep.file.write", at: "end", within: "lockstep.refresh.reserve" },
      { span: "lockstep.refresh.intent", at: "start" },
      { span: "lockstep.file.rename", at: "start", within: "lockstep.refresh.intent" }
    ] as const
  ) {
    it.scopedLive(`before the intent (${stop.span.slice(9)} ${stop.at}) has spent nothing`, () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* dieAt(stage, stop)
        assert.strictEqual((yield* stage.counts).redemptions, 0)
        assert.strictEqual((yield* next(stage)).event, "done")
        assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
        assert.isTrue(yield* stage.lives())
        assert.deepStrictEqual([yield* stage.hasAnswerFile(), yield* stage.temporaries], [false, []])
        yield* stage.harness.assertNoLeak
      }))
  }

  for (
    const stop of [
      { span: "lockstep.file.rename", at: "end", within: "lockstep.refresh.intent" },
      { span: "lockstep.refresh.intent", at: "end" },
      { span: "lockstep.refresh.redeem", at: "start" }
    ] as const
  ) {
    it.scopedLive(`after the intent and before the request (${stop.span.slice(9)} ${stop.at}) costs the one retry`, () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* dieAt(stage, stop)
        assert.strictEqual((yield* next(stage)).event, "done")
        assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
        assert.isTrue(yield* stage.lives())
        yield* stage.harness.assertNoLeak
      }))
  }

  for (
    const stop of [
      { span: "lockstep.refresh.redeem", at: "end" },
      { span: "lockstep.refresh.capture", at: "start" }
    ] as const
  ) {
    it.scopedLive(`after the answer and before its capture (${stop.span.slice(9)} ${stop.at}) is retried once, not more`, () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* dieAt(stage, stop)
        isUnknown(yield* next(stage))
        assert.strictEqual((yield* stage.counts).reuses, 1)
        const after = yield* stage.counts
        isUnknown(yield* next(stage))
        assert.deepStrictEqual(yield* stage.counts, after)
        // Lost is the login at the server. The record is as it was.
        assert.deepStrictEqual(yield* stage.stored(), { refreshToken: stage.first[Stage.TENANT], generation: 1 })
        yield* stage.harness.assertNoLeak
      }))
  }

  for (
    const stop of [
      { span: "lockstep.refresh.capture", at: "end" },
      { span: "lockstep.refresh.consumed", at: "start" },
      { span: "lockstep.refresh.consumed", at: "end" },
      { span: "lockstep.refresh.persist", at: "start" },
      { span: "lockstep.file.write", at: "start", within: "lockstep.refresh.persist" },
      { span: "lockstep.file.sync", at: "start", within: "lockstep.refresh.persist" },
      { span: "lockstep.file.rename", at: "start", within: "lockstep.refresh.persist" },
      { span: "lockstep.file.rename", at: "end", within: "lockstep.refresh.persist" },
      { span: "lockstep.refresh.settle", at: "start" },
      { span: "lockstep.file.rename", at: "start", within: "lockstep.refresh.settle" },
      { span: "lockstep.refresh.settle", at: "end" }
    ] as const
  ) {
    const where = "within" in stop ? `${stop.within.slice(17)}: ${stop.span.slice(9)}` : stop.span.slice(17)
    it.scopedLive(`after the capture (${where} ${stop.at}) has lost nothing, and nothing is redeemed again`, () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        yield* dieAt(stage, stop)
        const outcome = yield* next(stage)
        assert.strictEqual(outcome.event, "done")
        assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
        const [redemption] = stage.server.ledger.redemptions
        assert.deepStrictEqual(yield* stage.stored(), { refreshToken: redemption!.successor, generation: 2 })
        assert.isTrue(yield* stage.lives())
        yield* stage.harness.assertNoLeak
      }))
  }

  it.scopedLive("while the server works on its request loses the answer: one retry, and the record is kept", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.answers.hold
      const worker = yield* RemoteWorker.spawn(stage.harness)
      yield* worker.begin(command)
      yield* Queue.take(hold.arrivals)
      yield* worker.child.signal("SIGKILL")
      yield* worker.child.exit
      yield* hold.release
      isUnknown(yield* next(stage))
      assert.deepInclude(yield* stage.counts, { redemptions: 1, reuses: 1 })
      assert.deepStrictEqual(yield* stage.stored(), { refreshToken: stage.first[Stage.TENANT], generation: 1 })
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("leaves its lock to a waiter", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const holder = yield* RemoteWorker.spawn(stage.harness)
      yield* holder.begin(command)
      yield* Queue.take(hold.arrivals)
      const waiter = yield* RemoteWorker.spawn(stage.harness, { env: retryAtOnce })
      const waiting = yield* waiter.begin(command)
      yield* waiter.step("lockstep.refresh.lock", "start")
      yield* holder.child.signal("SIGKILL")
      const retry = yield* Queue.take(hold.arrivals)
      yield* retry.pass
      assert.strictEqual((yield* waiting.outcome).event, "done")
      yield* stage.harness.assertNoLeak
    }))
})

describe("the silence before a retry", () => {
  /** A first request that is still on its way when its process dies, and a second process. */
  const delayed = (quietTime: string) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const first = yield* RemoteWorker.spawn(stage.harness)
      yield* first.begin(command)
      const late = yield* Queue.take(hold.arrivals)
      yield* first.child.signal("SIGKILL")
      const { at: died } = yield* first.child.exit
      const second = yield* RemoteWorker.spawn(stage.harness, { env: { LOCKSTEP_QUIET_TIME: quietTime } })
      const asked = yield* second.begin(command)
      return { stage, hold, late, second, asked, died }
    })

  it.scopedLive("without it, a delayed first request comes second and ends the login that was just stored", () =>
    Effect.gen(function*() {
      const { asked, hold, late, stage } = yield* delayed("1ms")
      const retry = yield* Queue.take(hold.arrivals)
      yield* retry.pass
      assert.strictEqual((yield* asked.outcome).event, "done")
      assert.isTrue(yield* stage.lives())
      const answered = yield* stage.server.answers.hold
      yield* late.pass
      yield* Queue.take(answered.arrivals)
      assert.strictEqual((yield* stage.counts).reuses, 1)
      assert.isFalse(yield* stage.lives())
    }))

  it.scopedLive("with it, the delayed request comes first, and no process is told of a login that is not there", () =>
    Effect.gen(function*() {
      const { asked, died, hold, late, second, stage } = yield* delayed("2s")
      yield* second.step("lockstep.refresh.lock", "end")
      yield* late.pass
      const retry = yield* Queue.take(hold.arrivals)
      // A lower bound: no slowness of the machine makes it false. Timers may be a little early.
      assert.isAbove(Number(process.hrtime.bigint() - died) / 1e6, 1_950)
      assert.strictEqual((yield* stage.counts).redemptions, 1)
      yield* retry.pass
      isUnknown(yield* asked.outcome)
    }))
})
