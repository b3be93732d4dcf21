import { assert, describe, it } from "@effect/vitest"
import type * as Gate from "@lockstep/testing/Gate"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stage from "./BearerStage.js"

const { TENANT } = Stage

const CLIENTS = ["fetch", "fetchClient", "node", "undici"] as const

/** Waits until so many have come. */
const arrived = <A>(hold: Gate.Hold<A>, count: number) => Effect.replicateEffect(Queue.take(hold.arrivals), count)

describe("requests of many processes", () => {
  it.scopedLive("32 at once in 4 processes with one rejected token: one recovery, and all are answered", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const workers = yield* Effect.replicateEffect(stage.worker, 4)
      const hold = yield* stage.api.answers.hold
      yield* stage.api.rejectFromNow(stage.token)
      const running = yield* Effect.forEach(workers, (worker, index) =>
        worker.begin({
          _tag: "Request",
          tenant: TENANT,
          client: CLIENTS[index]!,
          url: `${stage.api.origin}/things`,
          method: "POST",
          body: "{}",
          count: 8
        }))
      // All 32 are on their way with the one token, and judged, before any of them is told.
      assert.deepStrictEqual(
        (yield* arrived(hold, 32)).map(({ who }) => who),
        Array.from({ length: 32 }, () => 401)
      )
      yield* hold.release
      const outcomes = yield* Effect.forEach(running, ({ outcome }) => outcome)
      assert.deepStrictEqual(
        outcomes.map(({ result }) => result),
        workers.map(() => ({ statuses: Array.from({ length: 8 }, () => 200) }))
      )
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      const current = yield* stage.current
      assert.notStrictEqual(current, stage.first)
      assert.deepStrictEqual(
        stage.api.requests.map(({ status, token }) => [status, token]),
        [
          ...Array.from({ length: 32 }, () => [401, stage.first]),
          ...Array.from({ length: 32 }, () => [200, current])
        ]
      )
      assert.isTrue(stage.api.requests.every(({ body }) => body === "{}"))
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("a delayed 401 for an old token, in another process, adopts and does not rotate again", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      const [slow, quick] = yield* Effect.all([stage.worker, stage.worker])
      const hold = yield* stage.api.answers.hold
      yield* stage.api.rejectFromNow(stage.token)
      const ask = { _tag: "Request", tenant: TENANT, client: "fetch" } as const
      const delayed = yield* slow.begin({ ...ask, url: `${stage.api.origin}/slow` })
      const held = yield* Queue.take(hold.arrivals)
      const recovering = yield* quick.begin({ ...ask, url: `${stage.api.origin}/quick` })
      yield* Effect.flatMap(Queue.take(hold.arrivals), ({ pass }) => pass)
      yield* Effect.flatMap(Queue.take(hold.arrivals), ({ pass }) => pass)
      assert.deepStrictEqual((yield* recovering.outcome).result, { statuses: [200] })
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      yield* hold.release
      yield* held.pass
      assert.deepStrictEqual((yield* delayed.outcome).result, { statuses: [200] })
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.deepStrictEqual(
        stage.api.requests.map(({ path, status }) => [path, status]),
        [["/quick", 401], ["/quick", 200], ["/slow", 401], ["/slow", 200]]
      )
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("while fresh tokens are rejected, 40 requests cost one rotation", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make
      yield* stage.api.rejectAll(true)
      const worker = yield* stage.worker
      const { result } = yield* worker.run({
        _tag: "Request",
        tenant: TENANT,
        client: "undici",
        url: `${stage.api.origin}/things`,
        count: 40
      })
      assert.deepStrictEqual(result, { statuses: Array.from({ length: 40 }, () => 401) })
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      yield* stage.harness.assertNoLeak
    }))
})
