/** What is spent for a login, when, and what is left when it was for nothing. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStoreError, LockUnavailable } from "@lockstep/core/Errors"
import { ProcessIdentity } from "@lockstep/core/Host"
import { Intent, JournalRecord, Mark, Retired } from "@lockstep/core/RefreshJournal"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const { burden, failing, fingerprintOf, of, processOn, untilAllWait } = Scenario

const NEW = { replace: false }
const REPLACE = { replace: true }
const full = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })

class CodeRefused extends Data.TaggedError("CodeRefused")<{}> {}

/** An exchange that counts how often it was made. */
const exchange = (machine: MemoryMachine.MemoryMachine, fields?: Parameters<typeof machine.server.issue>[0]) => {
  let times = 0
  return {
    times: () => times,
    obtain: Effect.sync(() => {
      times++
      return machine.server.issue(fields)
    })
  }
}

/** An exchange that says when it has begun, and ends when it is let. */
const slowly = (machine: MemoryMachine.MemoryMachine, fields?: Parameters<typeof machine.server.issue>[0]) =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const gate = yield* Deferred.make<void>()
    return {
      begun: Deferred.await(begun),
      finish: Deferred.succeed(gate, undefined),
      obtain: Deferred.succeed(begun, undefined).pipe(
        Effect.zipRight(Deferred.await(gate)),
        Effect.zipRight(Effect.sync(() => machine.server.issue(fields)))
      )
    }
  })

describe("a login", () => {
  it.scoped("is stored, noted in the history, and served", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const { obtain, times } = exchange(machine, yield* Scenario.validFor(3_000))
      const login = yield* machine.writer.login(tenant, obtain, NEW)
      assert.strictEqual(login.stored.credential.generation, 1)
      assertEquals(login.replaced, Option.none())
      assert.strictEqual(times(), 1)
      const [last] = (yield* machine.journal.read(tenant)).outcomes
      assert.strictEqual(last?.outcome, "login")
      assertEquals(last?.to, Option.some(fingerprintOf(machine, "lockstep-rt-0")))
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-0")
    }))

  it.scoped("tells what it replaced, of the same account or another", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, of("ann"))
      const before = yield* machine.read(tenant)
      const second = yield* machine.writer.login(tenant, exchange(machine, of("bob")).obtain, REPLACE)
      assertEquals(second.replaced, Option.some(before))
      assert.strictEqual(second.stored.credential.generation, 2)
      const third = yield* machine.writer.login(tenant, exchange(machine, of("bob")).obtain, REPLACE)
      assertEquals(third.replaced, Option.some(second.stored.credential))
    }))

  it.scoped("clears intent, mark, cooldown and kept answer of the one before", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* burden(machine)
      yield* machine.writer.login(tenant, exchange(machine, Scenario.EXPIRED).obtain, REPLACE)
      const record = yield* machine.journal.read(tenant)
      for (const member of ["intent", "mark", "cooldown", "rest"] as const) {
        assert.strictEqual(record[member]._tag, "None", member)
      }
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
    }))

  it.scoped("continues the generations after a logout", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* (yield* processOn(machine)).accessToken(tenant)
      yield* machine.writer.remove(tenant, { revoke: true })
      const { replaced, stored } = yield* machine.writer.login(tenant, exchange(machine).obtain, NEW)
      assert.strictEqual(stored.credential.generation, 3)
      assertEquals(replaced, Option.none())
    }))
})

describe("nothing is spent", () => {
  it.scoped("without the lock", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const { obtain, times } = exchange(machine)
      lock.seize(TENANT)
      const login = yield* Effect.fork(failing(machine.writer.login(tenant, obtain, REPLACE)))
      yield* Queue.take(lock.busy)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* Fiber.join(login), "LockTimeout")
      lock.fault = new LockUnavailable({ reason: "Permission", path: "/locks" })
      assert.strictEqual(
        yield* failing(machine.writer.login(tenant, obtain, REPLACE)),
        "LockUnavailable(Permission)"
      )
      assert.strictEqual(times(), 0)
    }))

  it.scoped("without a store that can be written", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({ store: { prepare: () => full } })
      const { obtain, times } = exchange(machine)
      assert.strictEqual(
        yield* failing(machine.writer.login(tenant, obtain, REPLACE)),
        "CredentialStoreError(Write)"
      )
      assert.strictEqual(times(), 0)
    }))

  it.scoped("without a store that can be read", () =>
    Effect.gen(function*() {
      const damaged = new CredentialStoreError({ reason: "Decode", location: "memory" })
      const machine = yield* MemoryMachine.make({ store: { get: () => damaged } })
      const { obtain, times } = exchange(machine)
      for (const options of [REPLACE, { ...REPLACE, like: machine.server.issue() }]) {
        assert.strictEqual(
          yield* failing(machine.writer.login(tenant, obtain, options)),
          "CredentialStoreError(Decode)"
        )
      }
      assert.strictEqual(times(), 0)
    }))

  it.scoped("where a live login is not to be replaced", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, of("ann"))
      const { obtain, times } = exchange(machine)
      const error = yield* Effect.flip(Effect.asVoid(machine.writer.login(tenant, obtain, NEW)))
      assert.strictEqual(error._tag, "CredentialExists")
      assert.include(error.message, "ann")
      assert.strictEqual(times(), 0)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
    }))

  it.scoped("by a caller who gives up while another process has the lock", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const { obtain, times } = exchange(machine)
      lock.seize(TENANT)
      const login = yield* Effect.fork(machine.writer.login(tenant, obtain, REPLACE))
      yield* Queue.take(lock.busy)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(login)))
      yield* lock.kill(TENANT)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(times(), 0)
      assert.isFalse(lock.isHeld(TENANT))
    }))
})

describe("whatever sends a person to log in lets that person log in", () => {
  const FINGERPRINT = "lockstep-rt-0"
  type Notes = Partial<ConstructorParameters<typeof JournalRecord>[0]>

  const judged = (what: {
    readonly fields?: Parameters<typeof Scenario.expiredLogin>[1]
    readonly notes?: (fingerprint: string) => Notes
  }) =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, what.fields)
      const notes = what.notes?.(fingerprintOf(machine, FINGERPRINT)) ?? {}
      yield* machine.journal.write(
        tenant,
        JournalRecord.make({ ...(yield* machine.journal.read(tenant)), ...notes })
      )
      const refused = yield* Scenario.outcome((yield* processOn(machine)).accessToken(tenant))
      const login = yield* Effect.either(machine.writer.login(tenant, exchange(machine).obtain, NEW))
      return [refused, login._tag === "Right" ? "stored" : login.left._tag]
    })
  const intent = (fingerprint: string, state: Intent["state"], sends: number): Notes => ({
    intent: Option.some(Intent.make({
      attempt: "died",
      version: "1",
      fingerprint,
      state,
      sends,
      ambiguous: false,
      at: 0,
      endedAt: Option.none(),
      by: ProcessIdentity.make({ pid: 2, startTime: "0", bootId: "memory", command: "test" })
    }))
  })
  const mark = (fingerprint: string): Notes => ({
    mark: Option.some(Mark.make({ fingerprint, reason: "InvalidGrant", detail: Option.none(), at: 0 }))
  })

  const over: Record<string, Parameters<typeof judged>[0]> = {
    NoRefreshToken: { fields: { refreshToken: Option.none() } },
    InvalidGrant: { notes: mark },
    LoginExpired: { fields: { loginExpiresAt: Option.some(10) } },
    RegistrationExpired: { fields: { clientSecretExpiresAt: Option.some(10) } },
    Stale: { notes: (fingerprint) => ({ retired: [Retired.make({ fingerprint, generation: 1, at: 0 })] }) },
    OutcomeUnknown: { notes: (fingerprint) => intent(fingerprint, "sending", 2) },
    RotationLost: { notes: (fingerprint) => intent(fingerprint, "consumed", 1) }
  }
  for (const [reason, what] of Object.entries(over)) {
    it.scoped(`after ${reason}, without a word`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* judged(what), [`ReauthorizationRequired(${reason})`, "stored"])
      }))
  }

  it.scoped("but a login that can still be used is asked about, whatever its refresh token is worth", () =>
    Effect.gen(function*() {
      for (const fields of [{ refreshToken: Option.none() }, { clientSecretExpiresAt: Option.some(10) }]) {
        const machine = yield* Scenario.agingLogin({}, fields)
        const { obtain, times } = exchange(machine)
        assert.strictEqual(yield* failing(machine.writer.login(tenant, obtain, NEW)), "CredentialExists")
        assert.strictEqual(times(), 0)
        yield* TestClock.adjust("1 minute")
        yield* machine.writer.login(tenant, obtain, NEW)
      }
    }))

  it.scoped("and so is one whose answer is kept and waits to be stored", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* Scenario.keep(machine)
      yield* machine.journal.write(
        tenant,
        JournalRecord.make({
          ...(yield* machine.journal.read(tenant)),
          ...intent(fingerprintOf(machine, FINGERPRINT), "consumed", 1)
        })
      )
      assert.strictEqual(
        yield* failing(machine.writer.login(tenant, exchange(machine).obtain, NEW)),
        "CredentialExists"
      )
    }))
})

describe("while a login is obtained", () => {
  it.scoped("the lock is held, and another process adopts what it brings", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const { begun, finish, obtain } = yield* slowly(machine, yield* Scenario.validFor(3_000))
      const login = yield* Effect.fork(machine.writer.login(tenant, obtain, REPLACE))
      yield* begun
      assert.isTrue(lock.isHeld(TENANT))
      const other = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* Queue.take(lock.busy)
      yield* finish
      yield* Fiber.join(login)
      assert.strictEqual(valueOf(yield* Fiber.join(other)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, [])
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("a caller who gives up waits for it, and it is stored", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const { begun, finish, obtain } = yield* slowly(machine)
      const login = yield* Effect.fork(machine.writer.login(tenant, obtain, REPLACE))
      yield* begun
      const interrupting = yield* Effect.fork(Fiber.interrupt(login))
      yield* untilAllWait
      assert.isTrue(Option.isNone(yield* Fiber.poll(interrupting)))
      assert.isTrue(lock.isHeld(TENANT))
      yield* finish
      yield* Fiber.join(interrupting)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.strictEqual((yield* machine.journal.read(tenant)).generation, 2)
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("its own bounds hold, also when its caller has given up", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const begun = yield* Deferred.make<void>()
      const login = yield* Effect.fork(machine.writer.login(
        tenant,
        Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
          Effect.timeoutFail({ duration: "8 seconds", onTimeout: () => new CodeRefused() })
        ),
        REPLACE
      ))
      yield* Deferred.await(begun)
      const interrupting = yield* Effect.fork(Fiber.interrupt(login))
      yield* TestClock.adjust("8 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(interrupting)))
      assert.isFalse(lock.isHeld(TENANT))
    }))

  it.scoped("its failure is the caller's, and changes nothing", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      yield* burden(machine)
      const before = yield* machine.journal.read(tenant)
      const refused = yield* Effect.flip(Effect.asVoid(machine.writer.login(tenant, new CodeRefused(), REPLACE)))
      assert.strictEqual(refused._tag, "CodeRefused")
      const bug = yield* Effect.exit(machine.writer.login(tenant, Effect.die("a bug"), REPLACE))
      assert.isTrue(Exit.isFailure(bug) && bug.cause._tag === "Die")
      assert.isFalse(lock.isHeld(TENANT))
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assertEquals(yield* machine.journal.read(tenant), before)
      assert.isTrue(Option.isSome(yield* machine.journal.keptAnswer(tenant)))
      assert.deepStrictEqual(machine.server.revocations, [])
    }))
})

describe("a login that another program stores while ours is obtained", () => {
  const meanwhile = (options: { readonly replace: boolean }) =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const { begun, finish, obtain } = yield* slowly(machine)
      const login = yield* Effect.fork(Effect.either(machine.writer.login(tenant, obtain, options)))
      yield* begun
      yield* machine.write(tenant, machine.server.issue(of("ann")))
      yield* finish
      return { machine, login: yield* Fiber.join(login) }
    })

  it.scoped("stays where it may not be replaced, and ours is revoked", () =>
    Effect.gen(function*() {
      const { login, machine } = yield* meanwhile(NEW)
      assert.strictEqual(login._tag === "Left" ? login.left._tag : "stored", "CredentialExists")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
    }))

  it.scoped("is replaced where that was said, and told", () =>
    Effect.gen(function*() {
      const { login, machine } = yield* meanwhile(REPLACE)
      assert.isTrue(login._tag === "Right" && Option.isSome(login.right.replaced))
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.strictEqual((yield* machine.read(tenant)).generation, 2)
      assert.deepStrictEqual(machine.server.revocations, [])
    }))
})

describe("a store that is given", () => {
  it.scoped("is asked whether it can be written under the lock", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const held: Array<boolean> = []
      const machine = yield* MemoryMachine.make({
        lock: lock.service,
        wrapStore: (store) =>
          WritableStore.of({
            ...store,
            prepare: (one) => Effect.zipRight(Effect.sync(() => held.push(lock.isHeld(TENANT))), store.prepare(one))
          })
      })
      yield* machine.writer.login(tenant, exchange(machine).obtain, NEW)
      assert.deepStrictEqual(held, [true])
    }))
})
