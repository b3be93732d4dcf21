/** A holder that its engine took the tenant from: its session was cut, or its lease ran out while it did not run. */
import { assert, describe, it } from "@effect/vitest"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import * as Fleet from "./fleet.js"

const { tenant } = MemoryMachine
const { outcome, untilAllWait } = Scenario

describe("a holder that was overtaken", () => {
  it.scoped("before its intent is refused by the engine, and sends nothing", () =>
    Effect.gen(function*() {
      const { engine, process, server } = yield* Fleet.make()
      const gate = yield* Deferred.make<void>()
      server.prepare = Deferred.await(gate)
      const frozen = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* untilAllWait
      yield* engine.overtake(tenant, "overdue")
      server.prepare = Effect.void
      assert.strictEqual(yield* outcome((yield* process).accessToken(tenant)), "lockstep-at-1")
      // As if no other process had refreshed: the fence alone must stop it.
      yield* engine.write(tenant, Option.some(server.issue(Scenario.EXPIRED)))
      const sent = server.requests.length
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(frozen)
      assert.strictEqual(server.requests.length, sent)
    }))

  it.scoped("after its request brings its answer home, and the next holder waits for it", () =>
    Effect.gen(function*() {
      const { engine, process, server, stored } = yield* Fleet.make()
      const gate = yield* Deferred.make<void>()
      server.next({ _tag: "GrantLate", gate })
      const cut = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* Queue.take(server.arrivals)
      yield* engine.overtake(tenant, "lost")
      assert.strictEqual(
        yield* outcome((yield* process).accessToken(tenant)),
        "ProviderUnavailable(Cooldown)"
      )
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(cut), "lockstep-at-1")
      assert.strictEqual(yield* stored, "lockstep-rt-1")
      assert.strictEqual(yield* outcome((yield* process).accessToken(tenant)), "lockstep-at-1")
      assert.deepStrictEqual(server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("is followed by one retry once no request of it can be alive", () =>
    Effect.gen(function*() {
      const { engine, process, server } = yield* Fleet.make()
      server.next({ _tag: "Hang", consume: false })
      yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* Queue.take(server.arrivals)
      yield* engine.overtake(tenant, "lost")
      yield* TestClock.adjust("14 seconds")
      const early = yield* outcome((yield* process).accessToken(tenant))
      assert.strictEqual(early, "ProviderUnavailable(Cooldown)")
      yield* TestClock.adjust("5 seconds")
      const late = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(late), "lockstep-at-1")
      assert.deepStrictEqual(server.requests, ["lockstep-rt-0", "lockstep-rt-0"])
      assert.isAtLeast(server.arrivedAt[1]! - server.arrivedAt[0]!, 17_000)
    }))

  it.scoped("is followed at once where its death is proven, after quietTime alone", () =>
    Effect.gen(function*() {
      const { engine, process, server } = yield* Fleet.make()
      server.next({ _tag: "Hang", consume: false })
      yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* Queue.take(server.arrivals)
      yield* engine.overtake(tenant, "dead")
      const next = yield* Effect.fork(outcome((yield* process).accessToken(tenant)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(next), "lockstep-at-1")
      assert.strictEqual(server.arrivedAt[1]! - server.arrivedAt[0]!, 2_000)
    }))
})
