import { assert, describe, it } from "@effect/vitest"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { LockHolder, LockUnavailable } from "@lockstep/core/Errors"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as WallClock from "@lockstep/testing/WallClock"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const { failing, processOn, untilAllWait } = Scenario

const isDone = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isSome)
const process = (pid: number) =>
  Option.some(LockHolder.make({ pid, command: Option.none(), startedAt: Option.none(), stopped: false }))

/** A caller who waits for the lock that a process outside of the test holds. */
const waitingCaller = (clock?: Clock.Clock) =>
  Effect.gen(function*() {
    const lock = yield* ControlledLock.make
    const machine = yield* Scenario.expiredLogin({ lock: lock.service })
    const coordinator = yield* processOn(machine, clock)
    lock.holder = process(7)
    lock.seize(TENANT)
    const caller = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
    yield* Queue.take(lock.busy)
    yield* untilAllWait
    return { lock, machine, caller }
  })

describe("the wait for the lock", () => {
  it.scoped("ends after 30 seconds and not a millisecond earlier", () =>
    Effect.gen(function*() {
      const { caller, machine } = yield* waitingCaller()
      yield* TestClock.adjust(29_999)
      assert.isFalse(yield* isDone(caller))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(caller), "LockTimeout")
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("starts afresh when the holder changes, once", () =>
    Effect.gen(function*() {
      const { caller, lock } = yield* waitingCaller()
      yield* TestClock.adjust("20 seconds")
      lock.holder = process(8)
      yield* TestClock.adjust("39999 millis")
      assert.isFalse(yield* isDone(caller))
      lock.holder = process(9)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(caller), "LockTimeout")
    }))

  it.scoped("names the holder and says that it is stopped", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      lock.holder = Option.some(
        LockHolder.make({ pid: 4_711, command: Option.some("agent"), startedAt: Option.none(), stopped: true })
      )
      lock.seize(TENANT)
      const caller = yield* Effect.fork(Effect.flip((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(lock.busy)
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(caller)
      assert.include(error.message, "4711 (agent), which is stopped")
      assert.include(error.advice, "kill -CONT 4711")
    }))

  it.scoped("is bounded also when the wall clock is set back meanwhile", () =>
    Effect.gen(function*() {
      const wall = yield* WallClock.make
      const { caller } = yield* waitingCaller(wall.clock)
      wall.shift(-1_800_000)
      yield* TestClock.adjust("30 seconds")
      assert.isTrue(yield* isDone(caller))
    }))

  it.scoped("is over at once where the lock cannot work, and nothing is redeemed without it", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      lock.fault = new LockUnavailable({ reason: "Remote", path: "/nfs" })
      assert.strictEqual(yield* failing((yield* processOn(machine)).accessToken(tenant)), "LockUnavailable(Remote)")
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("takes a token that is still valid from no caller", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.agingLogin({ lock: lock.service })
      lock.fault = new LockUnavailable({ reason: "Remote", path: "/nfs" })
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-0")
    }))
})

describe("the wait for the provider", () => {
  it.scoped("ends 8 seconds after the request was sent, and the request goes on", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* processOn(machine)
      const caller = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(7_999)
      assert.isFalse(yield* isDone(caller))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(StillRunning)")

      const joining = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* untilAllWait
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(valueOf(yield* Fiber.join(joining)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("does not begin before the request is sent", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      machine.server.next({ _tag: "Hang", consume: false })
      lock.seize(TENANT)
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust("10 seconds")
      yield* lock.kill(TENANT)
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(7_999)
      assert.isFalse(yield* isDone(caller))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(StillRunning)")
    }))

  it.scoped("a late answer is stored, and a later call is given it without another request", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* processOn(machine)
      const caller = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(StillRunning)")
      yield* Deferred.succeed(gate, undefined)
      yield* untilAllWait
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("the request itself ends after 15 seconds, and with it the hold of the lock", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      machine.server.next({ _tag: "Hang", consume: true })
      const coordinator = yield* processOn(machine)
      const first = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* Fiber.join(first), "ProviderTimeout(StillRunning)")
      const second = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* TestClock.adjust("6999 millis")
      assert.isTrue(lock.isHeld(TENANT))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(second), "ProviderTimeout(NoAnswer)")
      yield* untilAllWait
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("a discovery that never ends spends nothing and is given up after 8 seconds", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.prepare = Effect.never
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust(7_999)
      assert.isFalse(yield* isDone(caller))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(caller), "ProviderUnavailable(Transport)")
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("nothing is sent when what comes before it left no time to hear the answer", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({ store: { prepare: () => Effect.sleep("14 seconds") } })
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust("42 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "ProviderUnavailable(NoTime)")
      assert.deepStrictEqual(machine.server.requests, [])
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
    }))

  it.scoped("who had no time left to hear an answer tries again, or takes what another one stores meanwhile", () =>
    Effect.gen(function*() {
      let prepared = 0
      const machine = yield* Scenario.expiredLogin({
        store: { prepare: () => Effect.suspend(() => prepared++ === 0 ? Effect.sleep("14 seconds") : Effect.void) }
      })
      const callers = yield* Effect.forEach(
        [yield* processOn(machine), yield* processOn(machine)],
        (one) => Effect.fork(Scenario.outcome(one.accessToken(tenant)))
      )
      yield* TestClock.adjust("16 seconds")
      assert.deepStrictEqual(yield* Fiber.join(Fiber.all(callers)), ["lockstep-at-1", "lockstep-at-1"])
      assert.strictEqual(machine.server.requests.length, 1)
    }))
})

describe("the wait of a caller whose token is still valid", () => {
  it.scoped("ends after 2 seconds with that token, and the refresh goes on", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const caller = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(1_999)
      assert.isFalse(yield* isDone(caller))
      yield* TestClock.adjust(1)
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-0")
      yield* Deferred.succeed(gate, undefined)
      yield* untilAllWait
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("covers the wait for the lock as well", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.agingLogin({ lock: lock.service })
      lock.seize(TENANT)
      const caller = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-0")
    }))

  it.scoped("is not for a token that has run out", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "Hang", consume: false })
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("7 seconds")
      assert.isFalse(yield* isDone(caller))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(StillRunning)")
    }))

  it.scoped("is not for a token that is shorter than the demand, nor for one that was rejected", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      machine.server.next({ _tag: "Hang", consume: false })
      const coordinator = yield* processOn(machine)
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      const callers = yield* Effect.forEach([
        coordinator.accessToken(tenant, { minTtl: "5 minutes" }),
        coordinator.recover(tenant, rejected)
      ], (call) => Effect.fork(failing(call)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("8 seconds")
      assert.deepStrictEqual(
        yield* Effect.forEach(callers, Fiber.join),
        ["ProviderTimeout(StillRunning)", "ProviderTimeout(StillRunning)"]
      )
    }))
})

describe("the margin", () => {
  const refreshes = (options: {
    readonly left: number
    readonly lifetime?: number
    readonly vendor?: number
    readonly policy?: number
    readonly demand?: number
  }) =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make(
        options.policy === undefined ? {} : { policy: { margin: Duration.seconds(options.policy) } }
      )
      yield* TestClock.adjust("1 hour")
      const now = (yield* Clock.currentTimeMillis) / 1_000
      yield* machine.write(
        tenant,
        machine.server.issue({
          expiresAt: Option.some(now + options.left),
          obtainedAt: Option.some(now + options.left - (options.lifetime ?? 3_600))
        })
      )
      machine.server.traits = {
        ...machine.server.traits,
        margin: options.vendor === undefined ? Option.none() : Option.some(options.vendor * 1_000)
      }
      yield* (yield* processOn(machine)).accessToken(
        tenant,
        options.demand === undefined ? {} : { margin: Duration.seconds(options.demand) }
      )
      return machine.server.requests.length === 1
    })

  it.scoped("is two minutes unless it is set", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* refreshes({ left: 121 }))
      assert.isTrue(yield* refreshes({ left: 120 }))
    }))

  it.scoped("is the policy's, in its place the vendor's, in its place the caller's", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* refreshes({ left: 61, policy: 60 }))
      assert.isTrue(yield* refreshes({ left: 60, policy: 60 }))
      assert.isFalse(yield* refreshes({ left: 31, policy: 60, vendor: 30 }))
      assert.isTrue(yield* refreshes({ left: 30, policy: 60, vendor: 30 }))
      assert.isFalse(yield* refreshes({ left: 11, policy: 60, vendor: 30, demand: 10 }))
      assert.isTrue(yield* refreshes({ left: 10, policy: 60, vendor: 30, demand: 10 }))
    }))

  it.scoped("is at most a quarter of the lifetime, so that a short-lived token is not refreshed at every call", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* refreshes({ left: 16, lifetime: 60 }))
      assert.isTrue(yield* refreshes({ left: 15, lifetime: 60 }))
    }))

  it.scoped("is nothing to a token without a known expiry: it lives until it is rejected", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue())
      yield* TestClock.adjust("365 days")
      const coordinator = yield* processOn(machine)
      const token = yield* coordinator.accessToken(tenant)
      assert.strictEqual(valueOf(token), "lockstep-at-0")
      assert.strictEqual(valueOf(yield* coordinator.recover(tenant, token.token)), "lockstep-at-1")
    }))
})
