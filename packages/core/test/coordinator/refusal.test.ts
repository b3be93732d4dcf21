import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
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
const { failing, outcome, processOn, untilAllWait } = Scenario

describe("a terminal answer", () => {
  for (const reason of ["InvalidGrant", "LoginExpired", "RegistrationExpired"] as const) {
    it.scoped(`${reason} is asked for once: other processes stop without a request`, () =>
      Effect.gen(function*() {
        const machine = yield* Scenario.expiredLogin()
        machine.server.next({ _tag: "Answer", answer: RedeemAnswer.Terminal({ reason, detail: "dead" }) })
        const [one, two] = [yield* processOn(machine), yield* processOn(machine)]
        for (const call of [one.accessToken(tenant), one.accessToken(tenant), two.accessToken(tenant)]) {
          assert.strictEqual(yield* failing(call), `ReauthorizationRequired(${reason})`)
        }
        assert.strictEqual(yield* failing<unknown>(two.refresh(tenant)), `ReauthorizationRequired(${reason})`)
        assert.strictEqual(yield* failing(two.peek(tenant)), `ReauthorizationRequired(${reason})`)
        assert.strictEqual(machine.server.requests.length, 1)
      }))
  }

  it.scoped("changes nothing that is stored, and is forgotten with its refresh token", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const before = yield* machine.read(tenant)
      machine.server.next(Scenario.INVALID_GRANT)
      const coordinator = yield* processOn(machine)
      yield* failing(coordinator.accessToken(tenant))
      assertEquals(yield* machine.read(tenant), before)
      yield* machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-2")
    }))

  it.scoped("about a record that was replaced meanwhile is no answer: the new one is adopted", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({
        _tag: "AnswerLate",
        gate,
        answer: RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
      })
      const caller = yield* Effect.fork(outcome((yield* processOn(machine)).accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_600)))
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(caller), "lockstep-at-1")
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).mark))
    }))

  it.scoped("about a record that is replaced again and again ends it after the second time", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      const answer = RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
      const gates = yield* Effect.all([Deferred.make<void>(), Deferred.make<void>()])
      for (const gate of gates) machine.server.next({ _tag: "AnswerLate", gate, answer })
      const caller = yield* Effect.fork(failing((yield* processOn(machine)).accessToken(tenant)))
      for (const gate of gates) {
        yield* Queue.take(machine.server.arrivals)
        yield* machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
        yield* Deferred.succeed(gate, undefined)
      }
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Superseded)")
      assert.strictEqual(machine.server.requests.length, 2)
    }))

  it.scoped("is not asked for where the record is replaced before the request, again and again", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.prepare = Effect.asVoid(
        Effect.suspend(() => machine.write(tenant, machine.server.issue(Scenario.EXPIRED)))
      )
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "CredentialStoreError(Superseded)"
      )
      assert.deepStrictEqual(machine.server.requests, [])
    }))
})

describe("a refusal while the access token is valid", () => {
  it.scoped("is a rest until the token expires, one more try then, and that answer is final", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const [one, two] = [yield* processOn(machine), yield* processOn(machine)]
      machine.server.next(Scenario.INVALID_GRANT)
      for (const process of [one, one, two]) {
        assert.strictEqual(valueOf(yield* process.accessToken(tenant)), "lockstep-at-0")
      }
      assert.strictEqual(
        yield* failing(one.accessToken(tenant, { minTtl: "2 minutes" })),
        "ProviderUnavailable(Cooldown)"
      )
      assert.strictEqual(machine.server.requests.length, 1)
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).mark))

      yield* TestClock.adjust("1 minute")
      machine.server.next(Scenario.INVALID_GRANT)
      assert.strictEqual(yield* failing(two.accessToken(tenant)), "ReauthorizationRequired(InvalidGrant)")
      assert.strictEqual(yield* failing(one.accessToken(tenant)), "ReauthorizationRequired(InvalidGrant)")
      assert.strictEqual(machine.server.requests.length, 2)
    }))

  it.scoped("was about the early refresh when the one at expiry succeeds", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.INVALID_GRANT)
      yield* coordinator.accessToken(tenant)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("is final when the resource server rejected that very token", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      machine.server.next(Scenario.INVALID_GRANT)
      const coordinator = yield* processOn(machine)
      assert.strictEqual(
        yield* failing(coordinator.recover(tenant, rejected)),
        "ReauthorizationRequired(InvalidGrant)"
      )
      assert.isTrue(Option.isSome((yield* machine.journal.read(tenant)).mark))
    }))
})

describe("the brake on rejected tokens", () => {
  /** Rejects whatever is stored, each time in another process. */
  const rejectNext = (machine: MemoryMachine.MemoryMachine) =>
    Effect.gen(function*() {
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      return yield* outcome((yield* processOn(machine)).recover(tenant, rejected))
    })

  it.scoped("stops the fourth redemption within a minute, across processes, until the minute is over", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const answers: Array<string> = []
      for (const _ of [1, 2, 3, 4]) {
        answers.push(yield* rejectNext(machine))
        yield* TestClock.adjust("10 seconds")
      }
      assert.deepStrictEqual(answers, [
        "lockstep-at-1",
        "lockstep-at-2",
        "lockstep-at-3",
        "ProviderRejected(FreshTokenRejected)"
      ])
      assert.strictEqual(machine.server.requests.length, 3)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* rejectNext(machine), "lockstep-at-4")
    }))

  it.scoped("keeps no process from adopting, and counts no refresh that had another reason", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const coordinator = yield* processOn(machine)
      for (const _ of [1, 2, 3, 4, 5]) yield* coordinator.refresh(tenant)
      const { token } = yield* coordinator.accessToken(tenant)
      yield* coordinator.refresh(tenant)
      assert.strictEqual(valueOf(yield* coordinator.recover(tenant, token)), "lockstep-at-6")
      assert.strictEqual(yield* rejectNext(machine), "lockstep-at-7")
    }))

  it.scoped("also stops a server that issues the rejected token again", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      machine.server.next({ _tag: "KeepRefreshToken", accessToken: "lockstep-at-0" })
      assert.strictEqual(yield* rejectNext(machine), "ProviderRejected(FreshTokenRejected)")
    }))

  it.scoped("says nothing to a person whom a server gives the same token again", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      machine.server.next({ _tag: "KeepRefreshToken", accessToken: "lockstep-at-0" })
      const refreshed = yield* (yield* processOn(machine)).refresh(tenant)
      assert.strictEqual(valueOf(refreshed.token), "lockstep-at-0")
      assert.isFalse(refreshed.rotated)
    }))

  it.scoped("is not told to a caller who rejected nothing and only joined the flight", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.agingLogin({ lock: lock.service })
      for (const _ of [1, 2, 3]) yield* rejectNext(machine)
      const coordinator = yield* processOn(machine)
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      lock.seize(TENANT)
      const recovering = yield* Effect.fork(outcome(coordinator.recover(tenant, rejected)))
      yield* Queue.take(lock.busy)
      const joining = yield* Effect.fork(outcome(coordinator.accessToken(tenant, { minTtl: "2 hours" })))
      yield* untilAllWait
      yield* lock.kill(TENANT)
      assert.strictEqual(yield* Fiber.join(recovering), "ProviderRejected(FreshTokenRejected)")
      assert.strictEqual(yield* Fiber.join(joining), "lockstep-at-4")
    }))
})

describe("an access token that is still valid", () => {
  const errors = {
    "a terminal answer": Scenario.INVALID_GRANT,
    "a refusal": { _tag: "Answer", answer: RedeemAnswer.Rejected({ reason: "Entitlement", detail: "403" }) },
    "429": Scenario.rateLimited(30),
    "5xx": Scenario.SERVER_ERROR,
    "a request that was never sent": Scenario.NEVER_SENT,
    "an answer that was lost": { _tag: "Hang", consume: false }
  } as const

  for (const [name, behaviour] of Object.entries(errors)) {
    it.scoped(`is served after ${name}, and not when it was rejected or is too short`, () =>
      Effect.gen(function*() {
        const machine = yield* Scenario.agingLogin()
        const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
        machine.server.next(behaviour)
        const coordinator = yield* processOn(machine)
        const calls = yield* Effect.forEach([
          coordinator.accessToken(tenant),
          coordinator.accessToken(tenant, { minTtl: "2 minutes" }),
          coordinator.recover(tenant, rejected)
        ], (call) => Effect.fork(outcome(call)))
        yield* TestClock.adjust("15 seconds")
        const [plain, demanding, recovering] = yield* Effect.forEach(calls, Fiber.join)
        assert.strictEqual(plain, "lockstep-at-0")
        assert.notMatch(demanding!, /at-0/)
        assert.notMatch(recovering!, /at-0/)
      }))
  }
})

describe("what no refresh can mend", () => {
  it.scoped("a tenant that was never logged in is told so without a lock", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const coordinator = yield* processOn(machine)
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ReauthorizationRequired(NotFound)")
      assert.strictEqual(yield* failing<unknown>(coordinator.refresh(tenant)), "ReauthorizationRequired(NotFound)")
      assert.strictEqual(yield* failing(coordinator.peek(tenant)), "ReauthorizationRequired(NotFound)")
    }))

  it.scoped("a login without a refresh token is served until it ends", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin({}, { refreshToken: Option.none() })
      const coordinator = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ReauthorizationRequired(NoRefreshToken)")
      assert.strictEqual(yield* failing(coordinator.peek(tenant)), "ReauthorizationRequired(NoRefreshToken)")
    }))

  it.scoped("a login whose last day has come is not refreshed", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, { loginExpiresAt: Option.some(1_800) })
      assert.strictEqual(
        yield* failing((yield* processOn(machine)).accessToken(tenant)),
        "ReauthorizationRequired(LoginExpired)"
      )
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("an empty access token counts as absent", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin({}, { accessToken: Option.some(Redacted.make("")) })
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
    }))
})
