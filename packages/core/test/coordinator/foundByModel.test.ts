/** Sequences that an exhaustive model of the transaction or a random simulation found, each told by what must happen. */
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStoreError } from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const { failing, outcome, processOn, untilAllWait } = Scenario

const broken = () => {
  const fails = { store: false, answer: false, journal: false }
  const error = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })
  const when = (part: keyof typeof fails) => Effect.suspend(() => fails[part] ? error : Effect.void)
  const options: MemoryMachine.Options = {
    store: { modify: () => when("store") },
    journal: {
      keep: () => when("answer"),
      write: (record) => Option.exists(record.intent, (one) => one.state === "sending") ? Effect.void : when("journal")
    }
  }
  return { fails, options }
}
const REFUSED = RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })

const within = <A, E>(effect: Effect.Effect<A, E>, time: "3 seconds" | "20 seconds" = "3 seconds") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })
const accessOf = (machine: MemoryMachine.MemoryMachine) =>
  Effect.map(machine.read(tenant), ({ accessToken }) => Redacted.value(Option.getOrThrow(accessToken)))

/** A child of the token that is stored, as a tool without our locks gets and stores it. */
const foreignRefresh = (machine: MemoryMachine.MemoryMachine) =>
  Effect.gen(function*() {
    const stored = yield* machine.read(tenant)
    const prepared = yield* Effect.orDie(machine.server.service.prepare(tenant, stored))
    const answer = yield* prepared.redeem(Duration.seconds(15))
    assert.strictEqual(answer._tag, "Granted")
    if (answer._tag !== "Granted") return
    yield* machine.write(
      tenant,
      Credential.Credential.make({
        ...stored,
        accessToken: Option.some(answer.grant.accessToken),
        refreshToken: answer.grant.refreshToken,
        expiresAt: answer.grant.expiresAt,
        lastRedeem: Option.none()
      })
    )
  })

describe("an unrotated answer that was kept in memory", () => {
  it.scoped("a: is not written over a newer answer of another process", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      machine.server.expiresIn = 3_600
      machine.server.next({ _tag: "KeepRefreshToken" })
      fails.store = true
      const a = yield* processOn(machine)
      assert.strictEqual(yield* within(failing(a.accessToken(tenant))), "RotationNotPersisted")
      fails.store = false
      yield* TestClock.adjust("59 minutes")
      machine.server.next({ _tag: "KeepRefreshToken" })
      const b = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* b.accessToken(tenant)), "lockstep-at-2")
      yield* TestClock.adjust("5 minutes") // at-1 has expired, at-2 is good for 55 minutes
      const served = yield* outcome(a.accessToken(tenant))
      assert.strictEqual(yield* accessOf(machine), "lockstep-at-2", "stored")
      assert.strictEqual(served, "lockstep-at-2", "served")
    }))

  it.scoped("b: while it is valid it does not replace a newer one either", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      machine.server.next({ _tag: "KeepRefreshToken" })
      fails.store = true
      const a = yield* processOn(machine)
      yield* within(failing(a.accessToken(tenant)))
      fails.store = false
      machine.server.next({ _tag: "KeepRefreshToken" })
      const b = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* b.accessToken(tenant)), "lockstep-at-2")
      yield* a.accessToken(tenant)
      assert.strictEqual(yield* accessOf(machine), "lockstep-at-2", "stored")
    }))
})

describe("what is sent is what is stored", () => {
  it.scoped("a: the retry after quietTime does not send a token that another program has exchanged meanwhile", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next(Scenario.LOST) // reset before the server saw it
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("1 second") // inside quietTime
      yield* foreignRefresh(machine) // rt-0 -> rt-1, stored
      yield* TestClock.adjust("20 seconds")
      const served = yield* Fiber.join(caller)
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-0"], "requests: ours, the tool's")
      assert.deepStrictEqual(machine.server.reuses, [])
      assert.strictEqual(served, "lockstep-at-1")
    }))

  it.scoped("b: the next holder's retry does not either", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "Hang", consume: false })
      const a = yield* processOn(machine)
      const first = yield* Effect.fork(failing(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(first)
      const b = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(b.accessToken(tenant)))
      yield* TestClock.adjust("1 second")
      yield* foreignRefresh(machine)
      yield* TestClock.adjust("20 seconds")
      const served = yield* Fiber.join(caller)
      assert.deepStrictEqual(machine.server.reuses, [])
      assert.strictEqual(served, "lockstep-at-1")
    }))

  it.scoped("c: nor the first request, after a slow discovery", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.prepare = Effect.sleep("5 seconds")
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* TestClock.adjust("1 second")
      machine.server.prepare = Effect.void
      yield* foreignRefresh(machine)
      yield* TestClock.adjust("20 seconds")
      const served = yield* Fiber.join(caller)
      assert.deepStrictEqual(machine.server.reuses, [])
      assert.strictEqual(served, "lockstep-at-1")
    }))
})

describe("a snapshot that is restored during a refresh", () => {
  it.scoped("a: does not cost the only living token: ours is not revoked for a token that is known to be consumed", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const snapshot = yield* machine.read(tenant)
      const a = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* a.accessToken(tenant)), "lockstep-at-1")
      yield* TestClock.adjust("2 hours")
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* Queue.take(machine.server.arrivals)
      yield* machine.write(tenant, snapshot) // rt-0, retired in the journal
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("3 seconds")
      const served = yield* Fiber.join(caller)
      assert.deepStrictEqual(machine.server.revocations, [], "revocations")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
      assert.strictEqual(served, "lockstep-at-2")
    }))

  it.scoped("b: nor the answer that is kept in its file", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      const snapshot = yield* machine.read(tenant)
      const a = yield* processOn(machine)
      yield* a.accessToken(tenant)
      yield* TestClock.adjust("2 hours")
      fails.store = true
      assert.strictEqual(yield* within(failing(a.accessToken(tenant))), "RotationNotPersisted")
      fails.store = false
      yield* machine.write(tenant, snapshot) // the user restores a backup
      const b = yield* processOn(machine)
      assert.strictEqual(yield* outcome(b.accessToken(tenant)), "lockstep-at-2")
    }))
})

describe("a record that is absent for a moment", () => {
  it.scoped("does not cost the kept answer", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      const record = yield* machine.read(tenant)
      const a = yield* processOn(machine)
      fails.store = true
      assert.strictEqual(yield* within(failing(a.accessToken(tenant))), "RotationNotPersisted")
      fails.store = false
      // Another program removes the file and writes it again; a flight that began before finds nothing.
      const lease = Option.getOrThrow(yield* machine.lock.tryAcquire(LockTarget.Tenant({ tenant })))
      const caller = yield* Effect.fork(outcome((yield* processOn(machine)).accessToken(tenant)))
      yield* untilAllWait
      yield* machine.erase(tenant)
      yield* lease.release({ changed: false })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "ReauthorizationRequired(Removed)")
      yield* machine.write(tenant, record)
      assert.strictEqual(yield* outcome((yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))
})

describe("a record from the future, at a server that keeps the refresh token", () => {
  it.scoped("is replaced by the answer that was just given for it: a clock that was set back costs one redemption", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const record = yield* machine.read(tenant)
      yield* machine.write(
        tenant,
        Credential.Credential.make({ ...record, obtainedAt: Option.some(36_000), expiresAt: Option.some(1) })
      )
      machine.server.next({ _tag: "KeepRefreshToken" })
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "lockstep-at-1")
      assert.strictEqual(yield* accessOf(machine), "lockstep-at-1")
      assert.strictEqual(machine.server.redemptions.length, 1)
    }))
})

describe("a logout of a record that is absent", () => {
  it.scoped("does not forget what the kept answer proves: the snapshot that comes back is not redeemed", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      const record = yield* machine.read(tenant)
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      // The answer is kept, and neither the intent nor the settlement can say that its token is consumed.
      fails.journal = true
      yield* machine.erase(tenant)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* within(Fiber.join(caller)), "ReauthorizationRequired(Removed)")
      assert.strictEqual(
        yield* failing(machine.writer.remove(tenant, { revoke: false })),
        "CredentialStoreError(Write)"
      )
      fails.journal = false
      assert.isFalse((yield* machine.writer.remove(tenant, { revoke: false })).removed)
      yield* machine.write(tenant, record)
      assert.strictEqual(
        yield* within(outcome((yield* processOn(machine)).accessToken(tenant))),
        "ReauthorizationRequired(Stale)"
      )
      assert.deepStrictEqual(machine.server.reuses, [])
    }))
})

describe("a token of the same family that another program stored", () => {
  it.scoped("is not ended by the revocation of ours", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      // The provider has a grace: a tool that sent rt-0 too got a sibling of ours, and stored it.
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_600)))
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(caller)
      assert.deepStrictEqual(machine.server.revocations, [])
    }))
})

describe("a terminal refusal of the retry", () => {
  const readable = () => {
    let fails = false
    const options: MemoryMachine.Options = {
      store: {
        get: () =>
          Effect.suspend(() => fails ? new CredentialStoreError({ reason: "Read", location: "memory" }) : Effect.void)
      }
    }
    return { options, setReadable: (value: boolean) => void (fails = !value) }
  }

  it.scoped("is not asked for a third time because the store could not be read after it", () =>
    Effect.gen(function*() {
      const { options, setReadable } = readable()
      const machine = yield* Scenario.expiredLogin(options)
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "ConsumeAndLose" })
      machine.server.next({ _tag: "AnswerLate", gate, answer: REFUSED })
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("2 seconds")
      yield* Queue.take(machine.server.arrivals)
      setReadable(false)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Read)")
      setReadable(true)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(
        yield* within(outcome((yield* processOn(machine)).accessToken(tenant)), "20 seconds"),
        "ReauthorizationRequired(OutcomeUnknown)"
      )
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-0"])
    }))

  it.scoped("is not asked for where the store cannot be read before it: then the retry is not spent", () =>
    Effect.gen(function*() {
      const { options, setReadable } = readable()
      const machine = yield* Scenario.expiredLogin(options)
      machine.server.next(Scenario.LOST)
      const a = yield* processOn(machine)
      const caller = yield* Effect.fork(outcome(a.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* untilAllWait
      setReadable(false)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Read)")
      setReadable(true)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(
        yield* within(outcome((yield* processOn(machine)).accessToken(tenant)), "20 seconds"),
        "lockstep-at-1"
      )
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-0"])
    }))
})

describe("a 5xx, and a tool that keeps two accounts in one place", () => {
  it.scoped("does not cost the login that was only put aside", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const mine = yield* machine.read(tenant)
      machine.server.next(Scenario.SERVER_ERROR)
      const a = yield* processOn(machine)
      assert.strictEqual(yield* failing(a.accessToken(tenant)), "ProviderUnavailable(ServerError)")
      yield* machine.write(tenant, machine.server.issue({ ...Scenario.EXPIRED })) // another login is put in its place
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* outcome((yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
      yield* machine.write(tenant, mine) // and the first one back
      assert.strictEqual(yield* outcome((yield* processOn(machine)).accessToken(tenant)), "lockstep-at-3")
    }))
})

describe("an intent that was never sent", () => {
  it.scoped("whose write was reported as failed but arrived is not an unknown outcome", () =>
    Effect.gen(function*() {
      let fails = true
      const machine = yield* Scenario.expiredLogin({
        wrapJournal: (journal) => ({
          ...journal,
          write: (one, record) =>
            Effect.flatMap(journal.write(one, record), () =>
              fails && Option.exists(record.intent, (intent) =>
                  intent.state === "sending")
                ? new CredentialStoreError({ reason: "Write", location: "memory", detail: "EIO" })
                : Effect.void)
        })
      })
      for (let i = 0; i < 3; i++) {
        yield* within(outcome((yield* processOn(machine)).accessToken(tenant)), "20 seconds")
      }
      fails = false
      assert.deepStrictEqual(machine.server.requests, [])
      assert.strictEqual(
        yield* within(outcome((yield* processOn(machine)).accessToken(tenant)), "20 seconds"),
        "lockstep-at-1"
      )
    }))
})

describe("a journal that could not be settled", () => {
  it.scoped("keeps the answer, so that a restored token is not sent again", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      const snapshot = yield* machine.read(tenant)
      fails.journal = true // "consumed" and the settlement are not written; the store is
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      fails.journal = false
      yield* machine.write(tenant, snapshot)
      const then = yield* within(outcome((yield* processOn(machine)).accessToken(tenant)), "20 seconds")
      assert.strictEqual(then, "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      assert.deepStrictEqual(machine.server.reuses, [])
    }))
})

describe("an answer that neither file, nor journal, nor store took", () => {
  it.scoped("is not replayed by another process while the one that holds it lives", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      Object.assign(fails, { store: true, answer: true, journal: true })
      const a = yield* processOn(machine)
      assert.strictEqual(yield* within(failing(a.accessToken(tenant))), "RotationNotPersisted")
      Object.assign(fails, { store: false, answer: false, journal: false })
      const then = yield* within(outcome((yield* processOn(machine)).accessToken(tenant)), "20 seconds")
      assert.deepStrictEqual(machine.server.reuses, [])
      assert.strictEqual(then, "lockstep-at-1")
    }))
})

describe("an import of a token that the journal knows to be exchanged", () => {
  it.scoped("is refused, or at least does not take the place of the living one", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const snapshot = yield* machine.read(tenant)
      const a = yield* processOn(machine)
      yield* a.accessToken(tenant)
      const put = yield* Effect.flip(machine.writer.put(tenant, snapshot, { replace: true, note: "import" }))
      assert.propertyVal(put, "reason", "Superseded")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("is not imported either while the journal that should say so was not settled", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      const snapshot = yield* machine.read(tenant)
      fails.journal = true // the journal is left with the intent alone; the store has the answer
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      fails.journal = false
      const put = yield* Effect.flip(machine.writer.put(tenant, snapshot, { replace: true, note: "import" }))
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.strictEqual(put._tag, "CredentialStoreError")
    }))
})
