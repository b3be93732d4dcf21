import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStoreError } from "@lockstep/core/Errors"
import { JournalRecord, RefreshJournal } from "@lockstep/core/RefreshJournal"
import { RevokeAnswer } from "@lockstep/core/TokenEndpoint"
import { Change, WritableStore } from "@lockstep/core/WritableStore"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const { burden, failing, fingerprintOf, keep, processOn, untilAllWait } = Scenario

const LOGIN = { replace: false, note: "login" }
const REPLACE = { replace: true, note: "login" }

describe("a login", () => {
  it.scoped("is stored, noted in the history, and served", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const valid = yield* Scenario.validFor(3_000)
      const stored = yield* machine.writer.put(tenant, machine.server.issue(valid), { replace: false, note: "import" })
      assert.strictEqual(stored.credential.generation, 1)
      const [last] = (yield* machine.journal.read(tenant)).outcomes
      assert.strictEqual(last?.outcome, "import")
      assertEquals(last?.to, Option.some(fingerprintOf(machine, "lockstep-rt-0")))
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-0")
    }))

  it.scoped("takes the place of a live one only where that is said", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, Scenario.of("ann"))
      const error = yield* Effect.flip(Effect.asVoid(machine.writer.put(tenant, machine.server.issue(), LOGIN)))
      assert.strictEqual(error._tag, "CredentialExists")
      assert.include(error.message, "ann")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assert.strictEqual((yield* machine.writer.put(tenant, machine.server.issue(), REPLACE)).credential.generation, 2)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
    }))

  it.scoped("takes the place of a dead one without a word, but not of another account's", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, Scenario.of("ann"))
      machine.server.next(Scenario.INVALID_GRANT)
      yield* failing((yield* processOn(machine)).accessToken(tenant))
      assert.strictEqual(
        yield* failing(machine.writer.put(tenant, machine.server.issue(Scenario.of("bob")), LOGIN)),
        "CredentialExists"
      )
      yield* machine.writer.put(tenant, machine.server.issue(Scenario.of("ann")), LOGIN)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
    }))

  it.scoped("of an access token alone is live until that ends", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin({}, { refreshToken: Option.none() })
      assert.strictEqual(yield* failing(machine.writer.put(tenant, machine.server.issue(), LOGIN)), "CredentialExists")
      yield* TestClock.adjust("1 minute")
      yield* machine.writer.put(tenant, machine.server.issue(), LOGIN)
    }))

  it.scoped("clears intent, mark, cooldown and answer of the one before", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* burden(machine)
      yield* machine.writer.put(tenant, machine.server.issue(Scenario.EXPIRED), REPLACE)
      const record = yield* machine.journal.read(tenant)
      for (const member of ["intent", "mark", "cooldown", "rest"] as const) {
        assert.strictEqual(record[member]._tag, "None", member)
      }
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
    }))

  it.scoped("does not bring a token of unknown outcome back to life when its file is restored", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const snapshot = yield* machine.read(tenant)
      yield* burden(machine)
      yield* machine.writer.put(tenant, machine.server.issue(Scenario.EXPIRED), REPLACE)
      yield* machine.write(tenant, snapshot)
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "ReauthorizationRequired(Stale)"
      )
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("with the same refresh token is no new one: what is known of that stays known", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* burden(machine)
      const before = yield* machine.journal.read(tenant)
      yield* machine.writer.put(tenant, yield* machine.read(tenant), REPLACE)
      const after = yield* machine.journal.read(tenant)
      for (const member of ["intent", "mark", "cooldown"] as const) {
        assertEquals<unknown>(after[member], before[member])
      }
      assert.isTrue(Option.isSome(yield* machine.journal.keptAnswer(tenant)))
    }))

  it.scoped("is stored before the journal forgets: a crash in between sends nothing blindly", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const died = yield* Deferred.make<void>()
      let isDying = false
      const machine = yield* Scenario.expiredLogin({
        lock: lock.service,
        journal: {
          write: () => isDying ? Effect.zipRight(Deferred.succeed(died, undefined), Effect.never) : Effect.void
        }
      })
      yield* burden(machine)
      isDying = true
      yield* Effect.forkDaemon(machine.writer.put(tenant, machine.server.issue(Scenario.EXPIRED), REPLACE))
      yield* Deferred.await(died)
      isDying = false
      yield* lock.kill(TENANT)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      yield* TestClock.adjust("1 day")
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-1"])
    }))

  it.scoped("is not kept out by a damaged journal, and its generations go on from where no count has been", () =>
    Effect.gen(function*() {
      let isDamaged = false
      const machine = yield* Scenario.expiredLogin({
        wrapJournal: (journal) =>
          RefreshJournal.of({
            ...journal,
            read: (one) =>
              isDamaged
                ? new CredentialStoreError({ reason: "Decode", location: journal.location(one) })
                : journal.read(one),
            write: (one, record) => Effect.tap(journal.write(one, record), () => Effect.sync(() => isDamaged = false))
          })
      })
      isDamaged = true
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "CredentialStoreError(Decode)"
      )
      const { credential } = yield* machine.writer.put(tenant, machine.server.issue(Scenario.EXPIRED), REPLACE)
      assert.strictEqual(credential.generation, 3_601)
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
    }))

  it.scoped("that comes during another process's refresh is the one that stays", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      const login = yield* Effect.fork(machine.writer.put(tenant, machine.server.issue(), REPLACE))
      yield* Queue.take(lock.busy)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(login)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
      assert.strictEqual((yield* machine.read(tenant)).generation, 3)
    }))

  it.scoped("that is interrupted once it writes is finished all the same", () =>
    Effect.gen(function*() {
      const writing = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      let isLogin = false
      const machine = yield* Scenario.expiredLogin({
        store: {
          modify: () =>
            Effect.suspend(() =>
              isLogin ? Effect.zipRight(Deferred.succeed(writing, undefined), Deferred.await(gate)) : Effect.void
            )
        }
      })
      yield* burden(machine)
      isLogin = true
      const login = yield* Effect.fork(machine.writer.put(tenant, machine.server.issue(), REPLACE))
      yield* Deferred.await(writing)
      const interrupting = yield* Effect.fork(Fiber.interrupt(login))
      yield* untilAllWait
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(interrupting)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).mark))
    }))
})

describe("a logout", () => {
  it.scoped("revokes, removes, and tells what it did; where there is nothing it is done already", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const removal = yield* machine.writer.remove(tenant, { revoke: true })
      assert.deepStrictEqual(removal, { removed: true, revoked: RevokeAnswer.Revoked() })
      assert.isTrue(Option.isNone(yield* machine.store.get(tenant)))
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-0"])
      assert.deepStrictEqual(yield* machine.writer.remove(tenant, { revoke: true }), {
        removed: false,
        revoked: { _tag: "None" }
      })
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "ReauthorizationRequired(NotFound)"
      )
    }))

  it.scoped("revokes nothing where that is not asked for", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* machine.writer.remove(tenant, { revoke: false })
      assert.deepStrictEqual(machine.server.revocations, [])
    }))

  it.scoped("does not restart the generations", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* (yield* processOn(machine)).accessToken(tenant)
      yield* machine.writer.remove(tenant, { revoke: true })
      const { credential } = yield* machine.writer.put(tenant, machine.server.issue(), LOGIN)
      assert.strictEqual(credential.generation, 3)
    }))

  it.scoped("is not held up by a server that does not answer", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.revoke = Effect.never
      const removing = yield* Effect.fork(machine.writer.remove(tenant, { revoke: true }))
      yield* TestClock.adjust(4_999)
      assert.isTrue(Option.isNone(yield* Fiber.poll(removing)))
      yield* TestClock.adjust(1)
      const removal = yield* Fiber.join(removing)
      assert.isTrue(removal.removed)
      assert.strictEqual(removal.revoked._tag, "Failed")
    }))

  it.scoped("revokes the tokens that the server knows: those of an answer that was never stored", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* keep(machine)
      yield* machine.writer.remove(tenant, { revoke: true })
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-kept"])
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
    }))

  it.scoped("leaves no answer behind, also where there is no record", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* keep(machine)
      yield* machine.store.modify(tenant, () => Change.Remove({ value: undefined }))
      yield* machine.writer.remove(tenant, { revoke: true })
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
    }))

  /** Another program stores a record while the first one's tokens are being revoked. */
  const replacedDuring = (change: (machine: MemoryMachine.MemoryMachine) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.revoke = Effect.as(Effect.orDie(change(machine)), RevokeAnswer.Revoked())
      return { machine, answer: yield* failing(machine.writer.remove(tenant, { revoke: true })) }
    })

  it.scoped("removes no login that another program stored meanwhile", () =>
    Effect.gen(function*() {
      const { answer, machine } = yield* replacedDuring((machine) => machine.write(tenant, machine.server.issue()))
      assert.strictEqual(answer, "CredentialStoreError(Superseded)")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("removes none either that another program stored under the same version", () =>
    Effect.gen(function*() {
      const { answer, machine } = yield* replacedDuring((machine) =>
        machine.store.modify(tenant, (current) =>
          Change.Put({
            credential: Credential.Credential.make({
              ...machine.server.issue(),
              generation: Option.getOrThrow(current).credential.generation
            }),
            value: () => undefined
          }))
      )
      assert.strictEqual(answer, "CredentialStoreError(Superseded)")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("removes none either that holds no refresh token to tell it by", () =>
    Effect.gen(function*() {
      const bare = { refreshToken: Option.none() }
      const machine = yield* Scenario.agingLogin({}, bare)
      machine.server.revoke = Effect.as(machine.write(tenant, machine.server.issue(bare)), RevokeAnswer.Revoked())
      assert.strictEqual(
        yield* failing(machine.writer.remove(tenant, { revoke: true })),
        "CredentialStoreError(Superseded)"
      )
      assertEquals((yield* machine.read(tenant)).accessToken, Option.some(Redacted.make("lockstep-at-1")))
    }))

  it.scoped("waits for another process's refresh, and removes what that stored", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      const removing = yield* Effect.fork(machine.writer.remove(tenant, { revoke: true }))
      yield* Queue.take(lock.busy)
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue((yield* Fiber.join(removing)).removed)
      assert.deepStrictEqual(machine.server.revocations, ["lockstep-rt-1"])
    }))

  it.scoped("that cannot write the store changes nothing", () =>
    Effect.gen(function*() {
      let isFull = false
      const machine = yield* Scenario.expiredLogin({
        wrapStore: (store) =>
          WritableStore.of({
            ...store,
            modify: (one, decide) =>
              isFull
                ? new CredentialStoreError({ reason: "Write", location: "memory" })
                : store.modify(one, decide)
          })
      })
      yield* machine.journal.write(
        tenant,
        JournalRecord.make({ ...(yield* machine.journal.read(tenant)), generation: 1 })
      )
      const before = yield* machine.journal.read(tenant)
      isFull = true
      assert.strictEqual(
        yield* failing(machine.writer.remove(tenant, { revoke: false })),
        "CredentialStoreError(Write)"
      )
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      deepStrictEqual(yield* machine.journal.read(tenant), before)
    }))
})

describe("the lock of a writer", () => {
  it.scoped("is waited for, and nothing is written without it", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      lock.seize(TENANT)
      const writes = yield* Effect.forEach([
        machine.writer.put(tenant, machine.server.issue(), REPLACE),
        machine.writer.remove(tenant, { revoke: true })
      ], (write) => Effect.fork(failing<unknown>(write)))
      yield* Queue.take(lock.busy)
      yield* untilAllWait
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* Effect.forEach(writes, Fiber.join), ["LockTimeout", "LockTimeout"])
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assert.deepStrictEqual(machine.server.revocations, [])
    }))
})
