import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import { LockTarget } from "@lockstep/core/CredentialLock"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { Intent, JournalRecord, Retired } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import * as WallClock from "@lockstep/testing/WallClock"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const { failing, outcome, processOn, untilAllWait } = Scenario

/** A call that is given all the time that its flight may take. */
const patiently = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("20 seconds")
    return yield* Fiber.join(fiber)
  })

/** Nothing was answered until the bound of a redemption: the retry is left to the next holder. */
const lostLate = (machine: MemoryMachine.MemoryMachine, options: { readonly consume: boolean }) =>
  Effect.gen(function*() {
    machine.server.next({ _tag: "Hang", consume: options.consume })
    const coordinator = yield* processOn(machine)
    const caller = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
    yield* Queue.take(machine.server.arrivals)
    yield* TestClock.adjust("15 seconds")
    assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(StillRunning)")
    return yield* Clock.currentTimeMillis
  })

/** Two requests, and no answer to either. */
const lostTwice = (options?: MemoryMachine.Options) =>
  Effect.gen(function*() {
    const machine = yield* Scenario.expiredLogin(options)
    machine.server.next(Scenario.LOST)
    machine.server.next(Scenario.LOST)
    assert.strictEqual(
      yield* patiently(failing((yield* processOn(machine)).accessToken(tenant))),
      "ReauthorizationRequired(OutcomeUnknown)"
    )
    assert.strictEqual(machine.server.requests.length, 2)
    return machine
  })

describe("the quiet before a retry", () => {
  it.scoped("is counted on the monotonic clock: a wall clock that is set back prolongs no hold", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "Hang", consume: false })
      const first = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(first)
      const wall = yield* WallClock.make
      machine.server.prepare = Effect.sync(() => wall.shift(-600_000))
      const next = yield* Effect.fork((yield* processOn(machine, wall.clock)).accessToken(tenant))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(valueOf(yield* Fiber.join(next)), "lockstep-at-1")
    }))
})

describe("a request whose answer is lost early", () => {
  it.scoped("is sent again by the same holder after quietTime, and not before", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      machine.server.next(Scenario.LOST)
      const caller = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(1_999)
      assert.strictEqual(machine.server.requests.length, 1)
      assert.isTrue(lock.isHeld(TENANT))
      yield* TestClock.adjust(1)
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-1")
      assert.strictEqual(machine.server.arrivedAt[1]! - machine.server.arrivedAt[0]!, 2_000)
      assert.strictEqual(lock.taken(), 1)
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
    }))

  it.scoped("is not sent again by the same holder when no whole providerTimeout is left for it", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({
        _tag: "AnswerLate",
        gate,
        answer: RedeemAnswer.Unknown({ detail: "connection reset", answered: false })
      })
      const coordinator = yield* processOn(machine)
      const caller = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust(5_001)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(NoAnswer)")
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(machine.server.requests.length, 1)
    }))
})

describe("a request whose answer was read and held no token", () => {
  const PAGE = { _tag: "Answer", answer: RedeemAnswer.Unknown({ detail: "HTTP 200", answered: true }) } as const

  it.scoped("is not sent again at once, by this process or another, and once more after a pause", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next(PAGE)
      const first = yield* Effect.fork(Effect.flip((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust(0)
      const error = yield* Fiber.join(first)
      assert.strictEqual(error._tag === "ProviderUnavailable" && error.reason, "ServerError")
      assert.include(error.message, "HTTP 200")
      const other = yield* processOn(machine)
      assert.strictEqual(yield* failing(other.accessToken(tenant)), "ProviderUnavailable(Cooldown)")
      assert.strictEqual(machine.server.requests.length, 1)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(valueOf(yield* other.accessToken(tenant)), "lockstep-at-1")
      assert.strictEqual(machine.server.requests.length, 2)
    }))

  it.scoped("twice is an unknown outcome: the server may have taken the token", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next(PAGE)
      machine.server.next(PAGE)
      const process = yield* processOn(machine)
      yield* Effect.flip(process.accessToken(tenant))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(yield* failing(process.accessToken(tenant)), "ReauthorizationRequired(OutcomeUnknown)")
    }))
})

describe("an endpoint that does not bound itself", () => {
  it.scoped("is given up a moment after its limit, which begins to count when the limit is over", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const service = machine.server.service
      const endpoint = {
        ...service,
        prepare: ((...args) =>
          Effect.map(service.prepare(...args), () => ({
            redeem: () => Effect.never
          }))) as typeof service.prepare
      }
      const process = yield* MortalProcess.make({ ...machine, endpoint }, { pid: 1 })
      const caller = yield* Effect.fork(failing(process.coordinator.accessToken(tenant)))
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* Fiber.join(caller), "ProviderTimeout(StillRunning)")
      assert.isTrue(
        Option.exists((yield* machine.journal.read(tenant)).intent, ({ endedAt }) => Option.isNone(endedAt))
      )
      yield* TestClock.adjust("1 seconds")
      assert.isTrue(
        Option.exists((yield* machine.journal.read(tenant)).intent, ({ endedAt }) => Option.isSome(endedAt))
      )
    }))
})

describe("a request whose answer is lost late", () => {
  it.scoped("is sent again by the next holder, in whatever process, not before quietTime after its end", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const ended = yield* lostLate(machine, { consume: false })
      const caller = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* TestClock.adjust(1_999)
      assert.strictEqual(machine.server.requests.length, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-1")
      assert.strictEqual(machine.server.arrivedAt[1]! - ended, 2_000)
    }))

  it.scoped("is sent again at once when quietTime has passed long ago", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* lostLate(machine, { consume: false })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("tells the caller who is still there that no answer came", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "Hang", consume: false })
      const coordinator = yield* processOn(machine)
      yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("10 seconds")
      const late = yield* Effect.fork(failing(coordinator.accessToken(tenant)))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(late), "ProviderTimeout(NoAnswer)")
    }))
})

describe("the one retry", () => {
  it.scoped("that is lost as well is the last request that any process sends", () =>
    Effect.gen(function*() {
      const machine = yield* lostTwice()
      const [one, two] = [yield* processOn(machine), yield* processOn(machine)]
      for (const call of [one.accessToken(tenant), two.accessToken(tenant), two.refresh(tenant)]) {
        assert.strictEqual(
          yield* patiently(failing<unknown>(call)),
          "ReauthorizationRequired(OutcomeUnknown)"
        )
      }
      yield* TestClock.adjust("2 days")
      assert.strictEqual(yield* failing(one.accessToken(tenant)), "ReauthorizationRequired(OutcomeUnknown)")
      assert.strictEqual(machine.server.requests.length, 2)
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).mark))
    }))

  it.scoped("is followed by one more each time that a person takes the risk", () =>
    Effect.gen(function*() {
      const machine = yield* lostTwice()
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.LOST)
      const refresh = coordinator.refresh(tenant, { acceptRisk: true })
      assert.strictEqual(yield* patiently(failing(refresh)), "ReauthorizationRequired(OutcomeUnknown)")
      assert.strictEqual(machine.server.requests.length, 3)
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ReauthorizationRequired(OutcomeUnknown)")
      assert.strictEqual(valueOf((yield* patiently(refresh)).token), "lockstep-at-1")
      assert.strictEqual(machine.server.requests.length, 4)
    }))

  it.scoped("of a person keeps its distance from the request before it", () =>
    Effect.gen(function*() {
      const machine = yield* lostTwice()
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.LOST)
      yield* failing(coordinator.refresh(tenant, { acceptRisk: true }))
      yield* patiently(coordinator.refresh(tenant, { acceptRisk: true }))
      assert.strictEqual(machine.server.arrivedAt[3]! - machine.server.arrivedAt[2]!, 2_000)
    }))

  it.scoped("that is answered invalid_grant says that the outcome is unknown, and marks nothing", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "ConsumeAndLose" })
      const coordinator = yield* processOn(machine)
      assert.strictEqual(
        yield* patiently(failing(coordinator.accessToken(tenant))),
        "ReauthorizationRequired(OutcomeUnknown)"
      )
      assert.deepStrictEqual(machine.server.reuses, ["lockstep-rt-0"])
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).mark))
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "ReauthorizationRequired(OutcomeUnknown)"
      )
      assert.strictEqual(machine.server.requests.length, 2)
    }))

  for (
    const [name, behaviour] of [
      ["not sent", Scenario.NEVER_SENT],
      ["answered 429", Scenario.rateLimited()],
      ["answered 503", Scenario.SERVER_ERROR],
      [
        "answered 403",
        { _tag: "Answer", answer: RedeemAnswer.Rejected({ reason: "Entitlement", detail: "403" }) }
      ]
    ] as const
  ) {
    it.scoped(`that was ${name} is not spent, and what was unknown is not forgotten`, () =>
      Effect.gen(function*() {
        const machine = yield* Scenario.expiredLogin()
        machine.server.next(Scenario.LOST)
        machine.server.next(behaviour)
        const coordinator = yield* processOn(machine)
        yield* patiently(failing(coordinator.accessToken(tenant)))
        assertEquals(
          Option.map((yield* machine.journal.read(tenant)).intent, (intent) => intent.sends),
          Option.some(1)
        )
        yield* TestClock.adjust("1 minute")
        // Still the first of two: a refusal now would be explained by the request of unknown outcome.
        machine.server.next(Scenario.INVALID_GRANT)
        assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ReauthorizationRequired(OutcomeUnknown)")
        assert.strictEqual(machine.server.requests.length, 3)
      }))
  }

  it.scoped("after a 503 that hid a granted answer does not end the login for good without saying why", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.SERVER_ERROR)
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderUnavailable(ServerError)")
      assert.isTrue(Option.exists((yield* machine.journal.read(tenant)).intent, (intent) => intent.ambiguous))
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderUnavailable(Cooldown)")
      yield* TestClock.adjust("1 second")
      for (const wait of ["2 seconds", "4 seconds", "8 seconds"] as const) {
        machine.server.next(Scenario.SERVER_ERROR)
        assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderUnavailable(ServerError)")
        yield* TestClock.adjust(wait)
      }
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
    }))
})

describe("a process that dies after the intent", () => {
  /** Its request hangs, it is gone, and the kernel has freed its lock. */
  const died = ({ consume, ...options }: { readonly consume: boolean } & MemoryMachine.Options) =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ ...options, lock: lock.service })
      machine.server.next({ _tag: "Hang", consume })
      const caller = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      yield* Fiber.interrupt(caller)
      yield* TestClock.adjust("5 seconds")
      yield* lock.kill(TENANT)
      return machine
    })

  it.scoped("is followed by one retry, quietTime after the next holder has its lock", () =>
    Effect.gen(function*() {
      const machine = yield* died({ consume: false })
      const taken = yield* Clock.currentTimeMillis
      const caller = yield* Effect.fork((yield* processOn(machine)).accessToken(tenant))
      yield* TestClock.adjust(1_999)
      assert.strictEqual(machine.server.requests.length, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-1")
      assert.strictEqual(machine.server.arrivedAt[1]! - taken, 2_000)
    }))

  it.scoped("leaves time for the retry where another program bounds the hold, and what comes before it takes a second", () =>
    Effect.gen(function*() {
      // Claude Code gives up on a lock after 12.5 s.
      const policy = RefreshPolicy.defaultsFor({ redeem: Duration.millis(7_500) })
      let holders = 0
      const machine = yield* died({
        consume: false,
        policy,
        store: { prepare: () => Effect.suspend(() => holders++ === 0 ? Effect.void : Effect.sleep("1 second")) }
      })
      const caller = yield* Effect.fork(outcome((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(machine.server.requests.length, 2)
      assert.strictEqual(yield* Fiber.join(caller), "lockstep-at-1")
    }))

  it.scoped("is no reason to wait when its request can no longer be on its way", () =>
    Effect.gen(function*() {
      const machine = yield* died({ consume: false })
      yield* TestClock.adjust("12 seconds")
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("leaves an intent of the future when the clock is set back, and the wait is no longer for that", () =>
    Effect.gen(function*() {
      const machine = yield* died({ consume: false })
      const wall = yield* WallClock.make
      wall.shift(-1_800_000)
      const caller = yield* Effect.fork(
        Effect.withClock((yield* processOn(machine, wall.clock)).accessToken(tenant), wall.clock)
      )
      yield* TestClock.adjust(1_999)
      assert.strictEqual(machine.server.requests.length, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-1")
    }))
})

describe("an intent", () => {
  /** The journal of a machine, as a process left it that got no further. */
  const leave = (machine: MemoryMachine.MemoryMachine, fields: Partial<Intent>, record: Partial<JournalRecord> = {}) =>
    Effect.gen(function*() {
      const { credential, version } = Option.getOrThrow(yield* machine.store.get(tenant))
      const journal = yield* machine.journal.read(tenant)
      yield* machine.journal.write(
        tenant,
        JournalRecord.make({
          ...journal,
          intent: Option.some(Intent.make({
            attempt: "died",
            version,
            fingerprint: Fingerprint.of(machine.host, Option.getOrThrow(credential.refreshToken)),
            state: "sending",
            sends: 2,
            ambiguous: false,
            at: 0,
            endedAt: Option.none(),
            by: machine.host.self,
            ...fields
          })),
          ...record
        })
      )
    })

  it.scoped("whose answer was stored before its process died is history", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, { lastRedeem: Option.some("died") })
      yield* leave(machine, {})
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("whose answer the journal knows as stored is history, for stores that cannot say so", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* leave(machine, {}, { lastRedeem: Option.some("died") })
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("about another refresh token than the stored one is history", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* leave(machine, { fingerprint: "0123456789ab" })
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("is not hidden by a change of metadata", () =>
    Effect.gen(function*() {
      const machine = yield* lostTwice()
      yield* machine.write(
        tenant,
        Credential.Credential.make({ ...(yield* machine.read(tenant)), scope: Option.some("b") })
      )
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "ReauthorizationRequired(OutcomeUnknown)"
      )
      assert.strictEqual(machine.server.requests.length, 2)
    }))

  it.scoped("is settled by an answer that keeps the refresh token", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.next({ _tag: "KeepRefreshToken" })
      const coordinator = yield* processOn(machine)
      yield* coordinator.accessToken(tenant)
      yield* TestClock.adjust("1 hour")
      machine.server.next({ _tag: "KeepRefreshToken" })
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-2")
    }))

  it.scoped("that says consumed, with no answer kept, is never sent again", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      yield* leave(machine, { state: "consumed", sends: 1 })
      const coordinator = yield* processOn(machine)
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ReauthorizationRequired(RotationLost)")
      assert.strictEqual(
        yield* failing(coordinator.refresh(tenant, { acceptRisk: true })),
        "ReauthorizationRequired(RotationLost)"
      )
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("means nothing for a vendor that never rotates: its unknown outcomes pass", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.traits = { ...machine.server.traits, rotates: false }
      const coordinator = yield* processOn(machine)
      for (const _ of [1, 2, 3]) {
        machine.server.next(Scenario.LOST)
        assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderTimeout(NoAnswer)")
        assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
        yield* TestClock.adjust("1 minute")
      }
      machine.server.next({ _tag: "KeepRefreshToken" })
      assert.strictEqual(yield* outcome(coordinator.accessToken(tenant)), "lockstep-at-1")
    }))
})

describe("a refresh token that was exchanged already", () => {
  it.scoped("is never sent again when a snapshot brings it back", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const snapshot = yield* machine.read(tenant)
      const coordinator = yield* processOn(machine)
      yield* coordinator.accessToken(tenant)
      yield* machine.write(tenant, snapshot)
      for (const call of [coordinator.accessToken(tenant), coordinator.refresh(tenant, { acceptRisk: true })]) {
        assert.strictEqual(yield* failing<unknown>(call), "ReauthorizationRequired(Stale)")
      }
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("is remembered when its process died between persist and settle", () =>
    Effect.gen(function*() {
      const died = yield* Deferred.make<void>()
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({
        lock: lock.service,
        journal: {
          write: (record) =>
            Option.isNone(record.intent)
              ? Effect.whenEffect(Effect.never, Deferred.succeed(died, undefined))
              : Effect.void
        }
      })
      const snapshot = yield* machine.read(tenant)
      // The scope of a dead process is not closed.
      yield* (yield* Scope.extend(machine.process, yield* Scope.make())).accessToken(tenant)
      yield* Deferred.await(died)
      yield* lock.kill(TENANT)
      yield* TestClock.adjust("2 hours")
      const coordinator = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-2")
      yield* machine.write(tenant, snapshot)
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ReauthorizationRequired(Stale)")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-1"])
    }))

  it.scoped("is served while its access token is valid", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const { journal } = machine
      const fingerprint = Fingerprint.of(machine.host, Redacted.make("lockstep-rt-0"))
      yield* journal.write(
        tenant,
        JournalRecord.make({
          ...(yield* journal.read(tenant)),
          retired: [Retired.make({ fingerprint, generation: 9, at: 0 })]
        })
      )
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-0")
      yield* untilAllWait
      assert.deepStrictEqual(machine.server.requests, [])
    }))
})
