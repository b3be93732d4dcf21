import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { LockTarget } from "@lockstep/core/CredentialLock"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"

const { tenant } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const { untilAllWait } = Scenario

const isDone = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isSome)

/** A process with a call on its way, whose end is in the hands of the test. */
const calling = (options: (lock: ControlledLock.ControlledLock) => MemoryMachine.Options = () => ({})) =>
  Effect.gen(function*() {
    const lock = yield* ControlledLock.make
    const machine = yield* Scenario.expiredLogin({ lock: lock.service, ...options(lock) })
    const scope = yield* Scope.make()
    const coordinator = yield* Scope.extend(machine.process, scope)
    const start = Effect.fork(coordinator.accessToken(tenant))
    const close = Effect.zipLeft(Effect.fork(Scope.close(scope, Exit.void)), untilAllWait)
    return { lock, machine, coordinator, start, close }
  })

describe("the end of a process", () => {
  it.scoped("interrupts at once a flight that waits for the lock", () =>
    Effect.gen(function*() {
      const { close, lock, machine, start } = yield* calling()
      lock.seize(TENANT)
      const caller = yield* start
      yield* Queue.take(lock.busy)
      assert.isTrue(yield* isDone(yield* close))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(caller)))
      yield* lock.kill(TENANT)
      yield* TestClock.adjust("1 minute")
      assert.isFalse(lock.isHeld(TENANT))
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("interrupts at once a flight that has spent nothing, and frees its lock", () =>
    Effect.gen(function*() {
      const { close, lock, machine, start } = yield* calling()
      machine.server.prepare = Effect.never
      const caller = yield* start
      yield* untilAllWait
      assert.isTrue(lock.isHeld(TENANT))
      assert.isTrue(yield* isDone(yield* close))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(caller)))
      assert.isFalse(lock.isHeld(TENANT))
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
    }))

  it.scoped("interrupts the quiet before a retry, and leaves the retry to the next", () =>
    Effect.gen(function*() {
      const { close, lock, machine, start } = yield* calling()
      machine.server.next({ _tag: "Hang", consume: false })
      const first = yield* start
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.await(first)
      yield* start
      yield* untilAllWait
      assert.isTrue(lock.isHeld(TENANT))
      assert.isTrue(yield* isDone(yield* close))
      assert.isFalse(lock.isHeld(TENANT))
      assertEquals(
        Option.map((yield* machine.journal.read(tenant)).intent, (intent) => intent.sends),
        Option.some(1)
      )
      const next = yield* Effect.fork((yield* Scenario.processOn(machine)).accessToken(tenant))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(MemoryMachine.valueOf(yield* Fiber.join(next)), "lockstep-at-1")
    }))

  it.scoped("waits for a request that was sent, stores its answer, and frees the lock", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { close, lock, machine, start } = yield* calling()
      machine.server.next({ _tag: "GrantLate", gate })
      yield* start
      yield* Queue.take(machine.server.arrivals)
      const closing = yield* close
      assert.isFalse(yield* isDone(closing))
      assert.isTrue(lock.isHeld(TENANT))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("waits no longer than a redemption may take", () =>
    Effect.gen(function*() {
      const { close, machine, start } = yield* calling()
      machine.server.next({ _tag: "Hang", consume: true })
      yield* start
      yield* Queue.take(machine.server.arrivals)
      const closing = yield* close
      yield* TestClock.adjust(14_999)
      assert.isFalse(yield* isDone(closing))
      yield* TestClock.adjust(1)
      yield* Fiber.join(closing)
    }))

  it.scoped("waits for a write that has begun", () =>
    Effect.gen(function*() {
      const writing = yield* Deferred.make<void>()
      const arrived = yield* Deferred.make<void>()
      let isRefreshing = false
      const { close, machine, start } = yield* calling(() => ({
        store: {
          modify: () =>
            Effect.suspend(() =>
              isRefreshing
                ? Effect.zipRight(Deferred.succeed(arrived, undefined), Deferred.await(writing))
                : Effect.void
            )
        }
      }))
      isRefreshing = true
      yield* start
      yield* Deferred.await(arrived)
      const closing = yield* close
      assert.isFalse(yield* isDone(closing))
      yield* Deferred.succeed(writing, undefined)
      yield* Fiber.join(closing)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("waits for what comes after a caller has his token", () =>
    Effect.gen(function*() {
      const settling = yield* Deferred.make<void>()
      const { close, machine, start } = yield* calling(() => ({
        journal: { write: (record) => Option.isNone(record.intent) ? Deferred.await(settling) : Effect.void }
      }))
      yield* Fiber.join(yield* start)
      const closing = yield* close
      assert.isFalse(yield* isDone(closing))
      yield* Deferred.succeed(settling, undefined)
      yield* Fiber.join(closing)
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
    }))

  it.scoped("leaves no later caller waiting", () =>
    Effect.gen(function*() {
      const { close, coordinator, machine } = yield* calling()
      yield* Fiber.join(yield* close)
      for (const call of [coordinator.accessToken(tenant), coordinator.refresh(tenant)]) {
        const late = yield* Effect.fork<unknown, unknown, never>(call)
        yield* untilAllWait
        assert.isTrue(yield* isDone(late))
      }
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("still serves what needs no refresh to those who call afterwards", () =>
    Effect.gen(function*() {
      const { close, coordinator, machine } = yield* calling()
      yield* Fiber.join(yield* close)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_000)))
      assert.strictEqual(MemoryMachine.valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
    }))
})

describe("siblings that revoke each other", () => {
  it.scoped("refresh one after the other, in the order group, tenant", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      machine.server.traits = { ...machine.server.traits, rotationGroup: Option.some("issuer client") }
      yield* machine.write(MemoryMachine.otherTenant, machine.server.issue(Scenario.EXPIRED))
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const coordinator = yield* Scenario.processOn(machine)
      const callers = yield* Effect.forEach(
        [tenant, MemoryMachine.otherTenant],
        (one) => Effect.fork(coordinator.accessToken(one))
      )
      yield* Queue.take(machine.server.arrivals)
      yield* untilAllWait
      assert.isTrue(lock.isHeld(LockTarget.RotationGroup({ group: "issuer client" })))
      assert.isTrue(lock.isHeld(TENANT))
      assert.isFalse(lock.isHeld(LockTarget.Tenant({ tenant: MemoryMachine.otherTenant })))
      assert.strictEqual(machine.server.requests.length, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(callers, Fiber.join)
      assert.strictEqual(machine.server.redemptions.length, 2)
    }))
})
