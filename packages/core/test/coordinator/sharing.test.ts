import { assert, describe, it } from "@effect/vitest"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine

/** Expired at the epoch of the test clock plus one second. */
const expired = { expiresAt: Option.some(1), obtainedAt: Option.some(0.5) }
const toExpiry = TestClock.adjust("10 seconds")

describe("one refresh for all callers", () => {
  it.scoped("a fresh token is served without asking the server", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(3_600), obtainedAt: Option.some(0.5) })
      )
      const coordinator = yield* machine.process
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("a thousand callers of one process make one redemption", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const coordinator = yield* machine.process
      const tokens = yield* Effect.all(
        Array.from({ length: 1_000 }, () => coordinator.accessToken(tenant)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(tokens.map(valueOf)), new Set(["lockstep-at-1"]))
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("fifty processes make one redemption, and none is taken for a thief", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const processes = yield* Effect.all(Array.from({ length: 50 }, () => machine.process))
      const callers = yield* Effect.forEach(processes, (one) => Effect.fork(one.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(0)
      yield* Deferred.succeed(gate, undefined)
      const tokens = yield* Effect.forEach(callers, Fiber.join)
      assert.deepStrictEqual(new Set(tokens.map(valueOf)), new Set(["lockstep-at-1"]))
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
      assert.deepStrictEqual(machine.server.reuses, [])
    }))

  it.scoped("a cancelled caller cancels neither the refresh nor the other callers", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* machine.process
      const first = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      const second = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(valueOf(yield* Fiber.join(second)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("when every caller is cancelled, what was redeemed is stored all the same", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* machine.process
      const only = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      yield* Fiber.interrupt(only)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("forced refreshes of many callers and processes collapse into one", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(3_600), obtainedAt: Option.some(0.5) })
      )
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const [one, two] = [yield* machine.process, yield* machine.process]
      const callers = yield* Effect.forEach([one, one, two, two], (process) => Effect.fork(process.refresh(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(0)
      yield* Deferred.succeed(gate, undefined)
      const results = yield* Effect.forEach(callers, Fiber.join)
      assert.deepStrictEqual(new Set(results.map((result) => valueOf(result.token))), new Set(["lockstep-at-1"]))
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("one caller's wish for a longer validity is not answered with another's short one", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue({ expiresAt: Option.some(600), obtainedAt: Option.some(0.5) }))
      const coordinator = yield* machine.process
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant, { minTtl: "20 minutes" })), "lockstep-at-1")
    }))

  it.scoped("a just redeemed token that is shorter than the demand ends the loop", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      machine.server.expiresIn = 60
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const coordinator = yield* machine.process
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant, { minTtl: "1 hour" })), "lockstep-at-1")
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("a delayed rejection of an old token adopts and does not rotate again", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const coordinator = yield* machine.process
      const old = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      yield* coordinator.accessToken(tenant)
      assert.strictEqual(valueOf(yield* coordinator.recover(tenant, old)), "lockstep-at-1")
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("concurrent recoveries of one rejected token rotate once", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(3_600), obtainedAt: Option.some(0.5) })
      )
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      const processes = yield* Effect.all(Array.from({ length: 4 }, () => machine.process))
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const callers = yield* Effect.forEach(
        processes.flatMap((one) => Array.from({ length: 8 }, () => one)),
        (one) => Effect.fork(one.recover(tenant, rejected))
      )
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(0)
      yield* Deferred.succeed(gate, undefined)
      const tokens = yield* Effect.forEach(callers, Fiber.join)
      assert.deepStrictEqual(new Set(tokens.map(valueOf)), new Set(["lockstep-at-1"]))
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("a caller who joins another's flight is never given the token that was rejected", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* machine.process
      const plain = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      // A server that hands out what a resource server rejects: the flight brings home the very token that is no answer.
      const rejecting = yield* Effect.fork(
        coordinator.recover(tenant, Redacted.make("lockstep-at-1"))
      )
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(valueOf(yield* Fiber.join(plain)), "lockstep-at-1")
      assert.strictEqual(valueOf(yield* Fiber.join(rejecting)), "lockstep-at-2")
    }))

  it.scoped("a slow tenant delays neither another tenant nor a reader", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const other = MemoryMachine.otherTenant
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* machine.write(other, machine.server.issue(expired))
      yield* toExpiry
      machine.server.next({ _tag: "Hang", consume: false })
      const coordinator = yield* machine.process
      const slow = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      assert.strictEqual(valueOf(yield* coordinator.accessToken(other)), "lockstep-at-2")
      assert.isTrue(Option.isSome(yield* machine.store.get(tenant)))
      yield* Fiber.interrupt(slow)
      yield* TestClock.adjust("1 minute")
    }))

  it.scoped("a flight does not keep the context of the caller that started it", () =>
    Effect.gen(function*() {
      class Request extends Context.Tag("test/Request")<Request, string>() {}
      const seen: Array<boolean> = []
      const machine = yield* MemoryMachine.make({
        store: {
          modify: () =>
            Effect.map(Effect.context<never>(), (context) =>
              void seen.push(Option.isSome(Context.getOption(context as Context.Context<Request>, Request))))
        }
      })
      // The memory store is written through `write` as well; only what the flight writes counts.
      yield* machine.write(tenant, machine.server.issue(expired))
      yield* toExpiry
      seen.length = 0
      const coordinator = yield* machine.process
      yield* Effect.provideService(coordinator.accessToken(tenant), Request, "first")
      assert.deepStrictEqual(seen, [false])
    }))
})
