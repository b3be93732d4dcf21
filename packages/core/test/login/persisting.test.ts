/** A login that was obtained and cannot be stored at once, or not at all. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { RevokeAnswer } from "@lockstep/core/TokenEndpoint"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const { failing, processOn } = Scenario
const TENANT = LockTarget.Tenant({ tenant })
/** Stands for the lock that a store takes for one write. */
const WRITE = LockTarget.RotationGroup({ group: "one write of the store" })

const NEW = { replace: false }
const REPLACE = { replace: true }
const full = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })
const unreadable = new CredentialStoreError({ reason: "Read", location: "memory", detail: "EIO" })

/** A machine with one login and a disk that fills up and empties. */
const machineWithDisk = Effect.gen(function*() {
  const disk = { isFull: false, isUnreadable: false, tries: 0 }
  const lock = yield* ControlledLock.make
  const machine = yield* Scenario.expiredLogin({
    lock: lock.service,
    store: {
      get: () => Effect.suspend(() => disk.isUnreadable ? unreadable : Effect.void),
      modify: () =>
        Effect.suspend(() => {
          disk.tries++
          return disk.isFull ? full : Effect.void
        })
    }
  })
  disk.tries = 0
  let obtained = 0
  const obtain = Effect.sync(() => {
    obtained++
    disk.isFull = true
    return machine.server.issue()
  })
  return { machine, lock, disk, obtain, obtained: () => obtained }
})

/** The store as files have it: every write waits for the aggregate lock. */
const behindAggregate = (lock: ControlledLock.ControlledLock): MemoryMachine.Options => ({
  lock: lock.service,
  wrapStore: (store) =>
    WritableStore.of({
      ...store,
      modify: (one, decide) =>
        Effect.scoped(Effect.zipRight(
          LockWait.acquire(lock.service, WRITE, {
            timeout: RefreshPolicy.defaults.aggregateLockTimeout,
            label: "auth.json"
          }),
          store.modify(one, decide)
        ))
    })
})

/** A store that writes, and says that it did not. */
const lying = (times: () => boolean): MemoryMachine.Options => ({
  wrapStore: (store) =>
    WritableStore.of({
      ...store,
      modify: (one, decide) =>
        Effect.flatMap(store.modify(one, decide), (answer) => times() ? full : Effect.succeed(answer))
    })
})

describe("a full disk", () => {
  it.scoped("that passes does not throw the login away", () =>
    Effect.gen(function*() {
      const { disk, machine, obtain, obtained } = yield* machineWithDisk
      const login = yield* Effect.fork(machine.writer.login(tenant, obtain, REPLACE))
      yield* TestClock.adjust(1_999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(login)))
      disk.isFull = false
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(login)).stored.credential.generation, 2)
      assert.strictEqual(obtained(), 1)
      assert.deepStrictEqual(machine.server.revocations, [])
    }))

  it.scoped("that stays ends the new tokens, which no other process knows, and leaves the old login", () =>
    Effect.gen(function*() {
      const { disk, lock, machine, obtain, obtained } = yield* machineWithDisk
      yield* Scenario.burden(machine)
      const before = yield* machine.journal.read(tenant)
      const login = yield* Effect.fork(failing(machine.writer.login(tenant, obtain, REPLACE)))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(login), "CredentialStoreError(Write)")
      assert.isAbove(disk.tries, 3)
      assert.strictEqual(obtained(), 1)
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assertEquals(yield* machine.journal.read(tenant), before)
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("and a server that does not answer keep no caller waiting for longer than revokeTimeout", () =>
    Effect.gen(function*() {
      const { lock, machine, obtain } = yield* machineWithDisk
      machine.server.revoke = Effect.never
      const login = yield* Effect.fork(failing(machine.writer.login(tenant, obtain, REPLACE)))
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust(4_999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(login)))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(login), "CredentialStoreError(Write)")
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("and a caller who gives up end the tokens all the same", () =>
    Effect.gen(function*() {
      const { machine, obtain } = yield* machineWithDisk
      const login = yield* Effect.fork(machine.writer.login(tenant, obtain, REPLACE))
      yield* TestClock.adjust("1 second")
      const interrupting = yield* Effect.fork(Fiber.interrupt(login))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
    }))

  it.scoped("and an unreadable one: what may be stored is not revoked", () =>
    Effect.gen(function*() {
      const { disk, machine, obtain } = yield* machineWithDisk
      const login = yield* Effect.fork(
        failing(machine.writer.login(
          tenant,
          Effect.tap(obtain, () =>
            Effect.sync(() => {
              disk.isUnreadable = true
            })),
          REPLACE
        ))
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(login), "CredentialStoreError(Write)")
      assert.deepStrictEqual(machine.server.revocations, [])
    }))
})

describe("a busy aggregate lock", () => {
  it.scoped("is waited for, for as long as it may be held, and once more", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* MemoryMachine.make(behindAggregate(lock))
      lock.seize(WRITE)
      const login = yield* Effect.fork(machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), NEW))
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(login)))
      yield* lock.kill(WRITE)
      yield* Fiber.join(login)
      assert.deepStrictEqual(machine.server.revocations, [])
    }))

  it.scoped("that is never free ends a login, an import and a logout within their bounds", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* MemoryMachine.make(behindAggregate(lock))
      yield* machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
      lock.seize(WRITE)
      const writes = [
        machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), REPLACE),
        machine.writer.put(tenant, machine.server.issue(), { replace: true, note: "import" }),
        machine.writer.remove(tenant, { revoke: false })
      ]
      for (const write of writes) {
        const fiber = yield* Effect.fork(failing<unknown>(write))
        yield* TestClock.adjust("13 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), "LockTimeout")
        assert.isFalse(lock.isHeld(TENANT))
      }
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
    }))
})

describe("a write that is reported as failed and has arrived", () => {
  it.scoped("is known again: one generation, and nothing is revoked", () =>
    Effect.gen(function*() {
      let lies = 0
      const machine = yield* MemoryMachine.make(lying(() => lies-- > 0))
      yield* machine.write(tenant, machine.server.issue(Scenario.of("ann")))
      const before = yield* machine.read(tenant)
      const login = yield* Effect.fork(machine.writer.login(
        tenant,
        Effect.sync(() => {
          lies = 1
          return machine.server.issue(Scenario.of("bob"))
        }),
        REPLACE
      ))
      yield* TestClock.adjust("50 millis")
      const { replaced, stored } = yield* Fiber.join(login)
      assert.strictEqual(stored.credential.generation, 2)
      assertEquals(replaced, Option.some(before))
      assert.deepStrictEqual(machine.server.revocations, [])
      assert.strictEqual((yield* machine.journal.read(tenant)).generation, 2)
    }))

  it.scoped("at every try is not revoked either", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make(lying(() => true))
      const login = yield* Effect.fork(
        failing(machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), NEW))
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(login), "CredentialStoreError(Write)")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assert.deepStrictEqual(machine.server.revocations, [])
    }))
})

describe("a store with a bug", () => {
  it.scoped("fails like a disk that is full", () =>
    Effect.gen(function*() {
      let hasBug = false
      const machine = yield* MemoryMachine.make({
        store: { modify: () => Effect.suspend(() => hasBug ? Effect.die(new Error("a bug")) : Effect.void) }
      })
      const login = yield* Effect.fork(
        failing(machine.writer.login(
          tenant,
          Effect.sync(() => {
            hasBug = true
            return machine.server.issue()
          }),
          NEW
        ))
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(login), "CredentialStoreError(Write)")
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-0"])
    }))
})

describe("a journal that cannot be written", () => {
  it.scoped("takes no login away: it warns, and the next refresh settles", () =>
    Effect.gen(function*() {
      let isFull = false
      const warnings: Array<string> = []
      const machine = yield* Scenario.expiredLogin({
        journal: { write: () => Effect.suspend(() => isFull ? full : Effect.void) }
      })
      yield* Scenario.burden(machine)
      isFull = true
      const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
      yield* machine.writer.login(tenant, Effect.sync(() => machine.server.issue(Scenario.EXPIRED)), REPLACE).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.strictEqual(warnings.length, 1)
      isFull = false
      yield* TestClock.adjust("1 day")
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-1"])
    }))
})

describe("a revocation", () => {
  it.scoped("that fails is told, and the error is that of the store", () =>
    Effect.gen(function*() {
      const warnings: Array<string> = []
      const { machine, obtain } = yield* machineWithDisk
      machine.server.revoke = Effect.succeed(RevokeAnswer.Failed({ detail: "503" }))
      const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
      const login = yield* Effect.fork(
        failing(machine.writer.login(tenant, obtain, REPLACE)).pipe(
          Effect.provide(Logger.replace(Logger.defaultLogger, logger))
        )
      )
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Fiber.join(login), "CredentialStoreError(Write)")
      assert.strictEqual(warnings.length, 1)
      assert.include(warnings[0], "were not revoked")
    }))
})
