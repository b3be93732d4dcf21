/** What the model found about holders that were overtaken, played on the engine in memory that fences. */
import { assert, describe, it } from "@effect/vitest"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import * as Fleet from "./fleet.js"

const { tenant } = MemoryMachine
const { outcome, untilAllWait } = Scenario

describe("a holder that was overtaken while its request was under way", () => {
  it.scoped("is waited for by every later holder, and not by the one alone that took the tenant from it", () =>
    Effect.gen(function*() {
      const { engine, process, server } = yield* Fleet.make()
      const gate = yield* Deferred.make<void>()
      server.next({ _tag: "GrantLate", gate })
      const cut = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* Queue.take(server.arrivals)
      yield* engine.overtake(tenant, "lost")
      assert.strictEqual(yield* outcome((yield* process).accessToken(tenant)), "ProviderUnavailable(Cooldown)")
      // That one has released the tenant in order. What it knew of the holder before must not be forgotten with it.
      const third = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* untilAllWait
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(server.requests, ["lockstep-rt-0"], "the first request is still under way")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(cut), "lockstep-at-1")
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(third)
      assert.deepStrictEqual(server.reuses, [])
    }))

  it.scoped("is waited for although a holder after it is proven to be dead", () =>
    Effect.gen(function*() {
      const { engine, process, server } = yield* Fleet.make()
      const gate = yield* Deferred.make<void>()
      server.next({ _tag: "GrantLate", gate })
      const cut = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* Queue.take(server.arrivals)
      yield* engine.overtake(tenant, "lost")
      // A second one holds, sends nothing and dies: its death says nothing of the first.
      yield* engine.custody.hold(tenant, { timeout: RefreshPolicy.defaults.lockTimeout })
      yield* engine.overtake(tenant, "dead")
      const third = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* untilAllWait
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(server.requests, ["lockstep-rt-0"], "the first request is still under way")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(cut)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(third)
    }))
})
