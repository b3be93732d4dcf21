import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { RefreshEvent } from "@lockstep/core/RefreshCoordinator"
import { Change } from "@lockstep/core/WritableStore"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const { failing, observed, of, outcome, processOn, untilAllWait } = Scenario

const store = (machine: MemoryMachine.MemoryMachine, id: string, seconds: number) =>
  Effect.flatMap(
    Scenario.validFor(seconds),
    (valid) => machine.write(tenant, machine.server.issue({ ...valid, ...of(id) }))
  )

describe("a flight for one account never brings home a token of another", () => {
  it.scoped("while it waits for the lock", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service }, of("ann"))
      lock.seize(TENANT)
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(lock.busy)
      yield* store(machine, "bob", 3_600)
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Superseded)")
      assert.strictEqual(lock.taken(), 0)
    }))

  it.scoped("under the lock", () =>
    Effect.gen(function*() {
      let reads = 0
      const machine: MemoryMachine.MemoryMachine = yield* Scenario.expiredLogin({
        store: {
          // The hint, the look before the lock, and the read under it, which finds another account.
          get: () => Effect.suspend(() => ++reads === 3 ? Effect.asVoid(store(machine, "bob", 3_600)) : Effect.void)
        }
      }, of("ann"))
      reads = 0
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "CredentialStoreError(Superseded)"
      )
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("when it would redeem the other's token", () =>
    Effect.gen(function*() {
      let reads = 0
      const machine: MemoryMachine.MemoryMachine = yield* Scenario.expiredLogin({
        store: {
          get: () => Effect.suspend(() => ++reads === 3 ? Effect.asVoid(store(machine, "bob", -10)) : Effect.void)
        }
      }, of("ann"))
      reads = 0
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "CredentialStoreError(Superseded)"
      )
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("and does not serve what is left of its own", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.agingLogin({ lock: lock.service }, of("ann"))
      lock.seize(TENANT)
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(lock.busy)
      yield* store(machine, "bob", 3_600)
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Superseded)")
    }))

  it.scoped("but an account that is not known is no other account", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service }, of("ann"))
      lock.seize(TENANT)
      const caller = yield* Effect.fork(outcome((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(lock.busy)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_600)))
      assert.strictEqual(yield* Fiber.join(caller), "lockstep-at-1")
    }))
})

describe("a login that was replaced by another account's", () => {
  it.scoped("is given up by a flight, and adopted by the next call with one warning and one event", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service }, of("ann"))
      const { accessToken, events, warnings } = yield* observed(machine)
      lock.seize(TENANT)
      const caller = yield* Effect.fork(failing(accessToken))
      yield* Queue.take(lock.busy)
      yield* store(machine, "bob", 3_600)
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Superseded)")
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-1")
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-1")
      yield* untilAllWait
      assert.strictEqual(warnings.length, 1)
      assert.deepStrictEqual(events, [RefreshEvent.AccountChanged({ tenant, from: "ann", to: "bob" })])
    }))

  it.scoped("is noticed by a process that holds the old one in memory", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* TestClock.adjust("1 hour")
      yield* store(machine, "ann", 3_000)
      const { accessToken, events, warnings } = yield* observed(machine)
      yield* accessToken
      yield* store(machine, "bob", 3_000)
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-1")
      yield* accessToken
      yield* untilAllWait
      assert.strictEqual(warnings.length, 1)
      assert.deepStrictEqual(events, [RefreshEvent.AccountChanged({ tenant, from: "ann", to: "bob" })])
    }))

  it.scoped("is no other account's when the same one comes back", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service }, of("ann"))
      const { accessToken, events, warnings } = yield* observed(machine)
      lock.seize(TENANT)
      const caller = yield* Effect.fork(failing(accessToken))
      yield* Queue.take(lock.busy)
      yield* store(machine, "bob", 3_600)
      yield* Fiber.join(caller)
      yield* store(machine, "ann", 3_600)
      yield* accessToken
      yield* untilAllWait
      assert.deepStrictEqual([warnings, events], [[], []])
    }))
})

describe("a login that was removed by another process", () => {
  const logout = (machine: MemoryMachine.MemoryMachine) =>
    machine.store.modify(tenant, () => Change.Remove({ value: undefined }))

  it.scoped("is not served from memory any more, and says so once", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_000)))
      const { accessToken, events } = yield* observed(machine)
      yield* accessToken
      yield* logout(machine)
      assert.strictEqual(yield* failing(accessToken), "ReauthorizationRequired(Removed)")
      assert.strictEqual(yield* failing(accessToken), "ReauthorizationRequired(NotFound)")
      yield* untilAllWait
      assert.deepStrictEqual(events, [RefreshEvent.Removed({ tenant })])
    }))

  it.scoped("is not resurrected by a flight that was waiting for the lock", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.agingLogin({ lock: lock.service })
      lock.seize(TENANT)
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(lock.busy)
      yield* logout(machine)
      yield* lock.kill(TENANT)
      assert.strictEqual(yield* Fiber.join(caller), "ReauthorizationRequired(Removed)")
      assert.isTrue(Option.isNone(yield* machine.store.get(tenant)))
      assert.deepStrictEqual(machine.server.requests, [])
    }))
})

describe("what happens is told", () => {
  it.scoped("a redemption, an adoption and the need of a login", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const one = yield* observed(machine)
      const two = yield* observed(machine)
      yield* one.accessToken
      yield* two.accessToken
      yield* TestClock.adjust("2 hours")
      yield* one.accessToken
      yield* two.accessToken
      yield* TestClock.adjust("2 hours")
      machine.server.next(Scenario.INVALID_GRANT)
      yield* failing(one.accessToken)
      yield* untilAllWait
      assert.deepStrictEqual(one.events, [
        RefreshEvent.Redeemed({ tenant, generation: 2 }),
        RefreshEvent.Redeemed({ tenant, generation: 3 }),
        RefreshEvent.LoginRequired({ tenant, reason: "InvalidGrant" })
      ])
      assert.deepStrictEqual(two.events, [RefreshEvent.Adopted({ tenant, generation: 3 })])
      assert.strictEqual(Credential.accountId(yield* machine.read(tenant))._tag, "None")
    }))
})
