import { assert, describe, it } from "@effect/vitest"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import { Change } from "@lockstep/core/WritableStore"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as WallClock from "@lockstep/testing/WallClock"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"

const { otherTenant, tenant } = MemoryMachine
const { processOn, untilAllWait } = Scenario

/** A machine with a login that is good for so many seconds of an hour. */
const loginFor = (seconds: number) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    yield* TestClock.adjust("1 hour")
    yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(seconds)))
    return machine
  })

/** Lets time pass in steps, as the waiters see it pass. */
const pass = (seconds: number, step = 10) =>
  Effect.forEach(
    Array.from({ length: seconds / step }),
    () => TestClock.adjust(Duration.seconds(step)),
    { discard: true }
  )

describe("keeping a tenant fresh", () => {
  it.scoped("redeems inside the margin, at a moment of chance, and again before the next end", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(3_600)
      const coordinator = yield* processOn(machine)
      yield* coordinator.keepFresh(tenant)
      yield* pass(3_480, 60)
      assert.deepStrictEqual(machine.server.requests, [])
      yield* pass(40)
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      const [first] = machine.server.arrivedAt
      assert.isAtLeast(first!, (3_600 + 3_480) * 1_000)
      assert.isAtMost(first!, (3_600 + 3_510) * 1_000)
      yield* pass(3_600, 60)
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-1"])
    }))

  it.scoped("of many processes wakes one first, and the others find its work done", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(300)
      for (const _ of [1, 2, 3, 4]) yield* (yield* processOn(machine)).keepFresh(tenant)
      yield* pass(300)
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("takes over what another process stored, and waits for the end of that", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(300)
      const coordinator = yield* processOn(machine)
      yield* coordinator.keepFresh(tenant)
      yield* pass(60)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_600)))
      yield* pass(3_000, 60)
      assert.deepStrictEqual(machine.server.requests, [])
      yield* pass(600, 60)
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-1"])
    }))

  it.scoped("goes on after every kind of failure", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(60)
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.rateLimited(20))
      machine.server.next(Scenario.SERVER_ERROR)
      machine.server.next(Scenario.NEVER_SENT)
      yield* coordinator.keepFresh(tenant)
      yield* pass(120)
      assert.strictEqual(machine.server.requests.length, 4)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("waits for a new login where one is needed, and goes on with it", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(-10)
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.INVALID_GRANT)
      yield* coordinator.keepFresh(tenant)
      yield* pass(60)
      assert.strictEqual(machine.server.requests.length, 1)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(-10)))
      yield* untilAllWait
      yield* pass(10)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-1"])
    }))

  it.scoped("goes on when the login is removed and comes back", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(3_600)
      const coordinator = yield* processOn(machine)
      yield* coordinator.keepFresh(tenant)
      yield* untilAllWait
      yield* machine.store.modify(tenant, () => Change.Remove({ value: undefined }))
      yield* pass(60)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(60)))
      yield* pass(10)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-1"])
    }))

  it.scoped("ends with its scope", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(300)
      const coordinator = yield* processOn(machine)
      const scope = yield* Scope.make()
      yield* Scope.extend(coordinator.keepFresh(tenant), scope)
      yield* untilAllWait
      yield* Scope.close(scope, Exit.void)
      yield* pass(600, 60)
      assert.deepStrictEqual(machine.server.requests, [])
    }))
})

describe("keeping fresh does not become a storm", () => {
  it.scoped("when no token can be as long as the demand", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(3_600)
      for (const _ of [1, 2]) yield* (yield* processOn(machine)).keepFresh(tenant, { minTtl: "3 hours" })
      yield* pass(600)
      assert.isAtMost(machine.server.requests.length, 2)
    }))

  it.scoped("when tokens have ended before they are stored", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(-10)
      machine.server.expiresIn = 0
      for (const _ of [1, 2]) yield* (yield* processOn(machine)).keepFresh(tenant)
      yield* pass(60, 1)
      assert.isAtMost(machine.server.requests.length, 14)
    }))

  it.scoped("when other tenants write all the time, and is not kept from its work by them", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(300)
      const coordinator = yield* processOn(machine)
      yield* coordinator.keepFresh(tenant)
      for (let n = 0; n < 30; n++) {
        yield* machine.write(otherTenant, machine.server.issue())
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("when other tenants write while a login is needed: no person is asked again for them", () =>
    Effect.gen(function*() {
      let reads = 0
      const machine = yield* MemoryMachine.make({
        wrapJournal: (journal) =>
          RefreshJournal.of({
            ...journal,
            read: (one) => Effect.tap(journal.read(one), () => Effect.sync(() => ++reads))
          })
      })
      yield* machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
      yield* TestClock.adjust("1 hour")
      machine.server.next(Scenario.INVALID_GRANT)
      const coordinator = yield* processOn(machine)
      yield* coordinator.keepFresh(tenant)
      yield* pass(10)
      assert.strictEqual(reads, 1)
      for (let n = 0; n < 10; n++) {
        yield* machine.write(otherTenant, machine.server.issue())
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(reads, 1)
    }))

  it.scoped("when a demand is met by a token that lives long enough: that is kept too", () =>
    Effect.gen(function*() {
      const machine = yield* loginFor(3_600)
      const coordinator = yield* processOn(machine)
      yield* coordinator.keepFresh(tenant, { minTtl: "30 minutes" })
      yield* pass(1_860, 60)
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      yield* pass(1_620, 60)
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("and no token is so long-lived that no timer can wait for its end", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(90 * 86_400), obtainedAt: Option.some(0) })
      )
      const coordinator = yield* processOn(machine)
      const { clock } = yield* WallClock.make
      const sleeps: Array<number> = []
      yield* Effect.withClock(coordinator.keepFresh(tenant), {
        ...clock,
        sleep: (duration) => {
          sleeps.push(Duration.toMillis(duration))
          return clock.sleep(duration)
        }
      })
      yield* untilAllWait
      assert.strictEqual(sleeps.length, 1)
      assert.isBelow(sleeps[0]!, 2 ** 31)
    }))
})
