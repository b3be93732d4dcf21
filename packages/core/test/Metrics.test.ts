import { assert, describe, it } from "@effect/vitest"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStoreError, LockUnavailable, ProviderUnavailable } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import * as Metrics from "@lockstep/core/Metrics"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import type * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Meter from "./meter.js"

const { tenant } = MemoryMachine
const { agingLogin, expiredLogin, processOn, untilAllWait } = Scenario

const full = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })

const GRANTED = { "redemptions Granted codex": 1, "redeem.duration Granted codex": 1 }
const answered = (tag: RedeemAnswer["_tag"], times = 1) => ({
  [`redemptions ${tag} codex`]: times,
  [`redeem.duration ${tag} codex`]: times
})

/** A caller has its token before the refresh has given everything back, and the refresh counts until then. */
const settled = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.zipLeft(call, TestClock.adjust("1 milli"))

/** Lets a call wait in virtual time for what it waits for. */
const patiently = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(call)
    yield* TestClock.adjust("20 seconds")
    yield* TestClock.adjust("20 seconds")
    return yield* Fiber.join(fiber)
  })

/** What one call for a token moves that the server answers like this. */
const asking = (
  machine: MemoryMachine.MemoryMachine,
  ...behaviours: ReadonlyArray<ScriptedTokenEndpoint.Behaviour>
) =>
  Effect.gen(function*() {
    for (const behaviour of behaviours) machine.server.next(behaviour)
    const { accessToken } = yield* processOn(machine)
    return yield* Meter.moved(patiently(accessToken(tenant)))
  })

describe("a redemption", () => {
  it.scoped("is counted and timed once, for all that wait for it, and not at all where memory answers", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      const { accessToken } = yield* processOn(machine)
      const all = Effect.all([accessToken(tenant), accessToken(tenant), accessToken(tenant)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(yield* Meter.moved(all), GRANTED)
      const names: Array<string> = []
      const steps = StepTracer.layer(({ name }) => void names.push(name))
      assert.deepStrictEqual(yield* Meter.moved(Effect.provide(all, steps)), {})
      assert.deepStrictEqual(names, [])
    }))

  it.scoped("takes the time that the server takes", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const { accessToken } = yield* processOn(machine)
      const timer = Metrics.redeemDuration.pipe(Metric.tagged("tenant", tenant), Metric.tagged("outcome", "Granted"))
      const before = (yield* Metric.value(timer)).sum
      const call = yield* Effect.fork(accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(call)
      assert.strictEqual(Math.round((yield* Metric.value(timer)).sum - before), 3_000)
    }))

  it.scoped("that could not be begun is not counted", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin({ store: { prepare: () => full } })
      assert.deepStrictEqual(yield* asking(machine), { "failures CredentialStoreError Write codex": 1 })
    }))
})

describe("an adoption", () => {
  it.scoped("is counted where the store is read again", () =>
    Effect.gen(function*() {
      const machine = yield* agingLogin()
      const first = yield* processOn(machine)
      const second = yield* processOn(machine)
      yield* first.peek(tenant)
      yield* second.accessToken(tenant)
      const call = first.accessToken(tenant)
      assert.deepStrictEqual(yield* Meter.moved(call), { "adoptions Read codex": 1 })
      assert.deepStrictEqual(yield* Meter.moved(call), {})
    }))

  it.scoped("is counted once per process that waited for the lock, and the winner adopts nothing", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const before = yield* Meter.reading
      const processes = yield* Effect.replicateEffect(processOn(machine), 4)
      const calls = yield* Effect.forEach(
        processes.flatMap(({ accessToken }) => [accessToken(tenant), accessToken(tenant)]),
        Effect.fork
      )
      yield* Queue.take(machine.server.arrivals)
      yield* untilAllWait
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(calls, Fiber.join)
      assert.deepStrictEqual(yield* Meter.since(before), { ...GRANTED, "adoptions Waiting codex": 3 })
    }))

  it.scoped("is counted where the read under the lock finds what another process stored", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* expiredLogin({ lock: lock.service })
      const valid = yield* Scenario.validFor(3_000)
      lock.fault = Effect.asVoid(machine.write(tenant, machine.server.issue(valid)))
      assert.deepStrictEqual(yield* asking(machine), { "adoptions Locked codex": 1 })
    }))

  it.scoped("is not counted where the lock finds the very token that the call set out with", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* agingLogin({ lock: lock.service })
      const { accessToken } = yield* processOn(machine)
      // The clock goes back while it is waited for: what was due is not due any more.
      lock.fault = TestClock.setTime(1_000)
      assert.deepStrictEqual(yield* Meter.moved(accessToken(tenant)), {})
    }))

  it.scoped("is counted where another login was stored meanwhile", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const { accessToken } = yield* processOn(machine)
      const valid = yield* Scenario.validFor(3_000)
      const before = yield* Meter.reading
      const call = yield* Effect.fork(accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      yield* machine.write(tenant, machine.server.issue(valid))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(call)
      assert.deepStrictEqual(yield* Meter.since(before), { ...GRANTED, "adoptions Replaced codex": 1 })
    }))
})

describe("a failure", () => {
  const cases: Record<string, {
    readonly behaviour: ScriptedTokenEndpoint.Behaviour
    readonly answer: RedeemAnswer["_tag"]
    readonly failure: string
    readonly cooldown?: string
  }> = {
    "a dead grant": {
      behaviour: Scenario.INVALID_GRANT,
      answer: "Terminal",
      failure: "ReauthorizationRequired InvalidGrant"
    },
    "a refused client": {
      behaviour: { _tag: "Answer", answer: RedeemAnswer.Rejected({ reason: "InvalidClient", detail: "401" }) },
      answer: "Rejected",
      failure: "ProviderRejected InvalidClient",
      cooldown: "backoff"
    },
    "429 with a time": {
      behaviour: Scenario.rateLimited(30),
      answer: "RateLimited",
      failure: "ProviderUnavailable RateLimited",
      cooldown: "server"
    },
    "429 without one": {
      behaviour: Scenario.rateLimited(),
      answer: "RateLimited",
      failure: "ProviderUnavailable RateLimited",
      cooldown: "backoff"
    },
    "503": {
      behaviour: Scenario.SERVER_ERROR,
      answer: "ServerError",
      failure: "ProviderUnavailable ServerError",
      cooldown: "backoff"
    },
    "a request that was never sent": {
      behaviour: Scenario.NEVER_SENT,
      answer: "NeverSent",
      failure: "ProviderUnavailable Transport",
      cooldown: "backoff"
    }
  }
  for (const [name, { answer, behaviour, cooldown, failure }] of Object.entries(cases)) {
    it.scoped(`is counted by error and reason after ${name}${cooldown === undefined ? "" : ", and so is the cooldown"}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* asking(yield* expiredLogin(), behaviour), {
          ...answered(answer),
          [`failures ${failure} codex`]: 1,
          ...(cooldown === undefined ? {} : { [`cooldowns ${cooldown} codex`]: 1 })
        })
      }))
  }

  it.scoped("in the cooldown is counted, and sets no other cooldown", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      machine.server.next(Scenario.rateLimited(300))
      const { accessToken } = yield* processOn(machine)
      yield* Effect.exit(accessToken(tenant))
      assert.deepStrictEqual(yield* Meter.moved(accessToken(tenant)), {
        "failures ProviderUnavailable Cooldown codex": 1
      })
    }))

  it.scoped("is counted for each caller that is told, and the answer behind it once", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      machine.server.next(Scenario.INVALID_GRANT)
      const { accessToken } = yield* processOn(machine)
      const moved = yield* Meter.moved(
        Effect.all(Array.from({ length: 3 }, () => Effect.exit(accessToken(tenant))), { concurrency: "unbounded" })
      )
      assert.deepStrictEqual(moved, {
        ...answered("Terminal"),
        "failures ReauthorizationRequired InvalidGrant codex": 3
      })
    }))

  it.scoped("is counted where no refresh could begin", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const { accessToken, refresh } = yield* processOn(machine)
      assert.deepStrictEqual(yield* Meter.moved(accessToken(tenant)), {
        "failures ReauthorizationRequired NotFound codex": 1
      })
      assert.deepStrictEqual(yield* Meter.moved(refresh(tenant)), {
        "failures ReauthorizationRequired NotFound codex": 1
      })
    }))

  it.scoped("is counted for the caller whose patience ends, and the late grant is counted all the same", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const { accessToken } = yield* processOn(machine)
      const before = yield* Meter.reading
      const call = yield* Effect.fork(Effect.exit(accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(call)
      assert.deepStrictEqual(yield* Meter.since(before), {
        flights: 1,
        "failures ProviderTimeout StillRunning codex": 1
      })
      yield* Deferred.succeed(gate, undefined)
      yield* untilAllWait
      assert.deepStrictEqual(yield* Meter.since(before), {
        ...GRANTED,
        "failures ProviderTimeout StillRunning codex": 1
      })
    }))

  it.scoped("has no reason where its error has no reason", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      lock.seize(LockTarget.Tenant({ tenant }))
      const machine = yield* expiredLogin({ lock: lock.service })
      assert.deepStrictEqual(yield* asking(machine), { "failures LockTimeout none codex": 1 })
    }))
})

describe("a valid token in spite of an error", () => {
  it.scoped("is counted as served, not as a failure; an early refusal is a rest", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* asking(yield* agingLogin(), Scenario.INVALID_GRANT), {
        ...answered("Terminal"),
        "cooldowns rest codex": 1,
        "stale_served ReauthorizationRequired InvalidGrant codex": 1
      })
    }))
})

describe("a cooldown", () => {
  it.scoped("is counted where discovery fails, which sends nothing", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      machine.server.prepare = Effect.suspend(() =>
        new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 1_000, detail: "ENOTFOUND" })
      )
      assert.deepStrictEqual(yield* asking(machine), {
        "cooldowns backoff codex": 1,
        "failures ProviderUnavailable Transport codex": 1
      })
    }))

  it.scoped("that no journal would take is not counted: no other process keeps it", () =>
    Effect.gen(function*() {
      let isFull = false
      const machine = yield* expiredLogin({ journal: { write: () => isFull ? full : Effect.void } })
      const gate = yield* Deferred.make<void>()
      machine.server.next({
        _tag: "AnswerLate",
        gate,
        answer: RedeemAnswer.RateLimited({ retryAfter: Option.none(), detail: "429" })
      })
      const { accessToken } = yield* processOn(machine)
      const before = yield* Meter.reading
      const call = yield* Effect.fork(Effect.exit(accessToken(tenant)))
      yield* Queue.take(machine.server.arrivals)
      isFull = true
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(call)
      assert.deepStrictEqual(yield* Meter.since(before), {
        ...answered("RateLimited"),
        "failures ProviderUnavailable RateLimited codex": 1
      })
    }))
})

describe("an unknown outcome", () => {
  it.scoped("is counted, and so is the retry that follows it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* asking(yield* expiredLogin(), Scenario.LOST), {
        ...answered("Unknown"),
        ...GRANTED,
        "unknown_outcomes codex": 1,
        "retries codex": 1
      })
    }))

  it.scoped("is counted twice where the retry is lost as well", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* asking(yield* expiredLogin(), Scenario.LOST, Scenario.LOST), {
        ...answered("Unknown", 2),
        "unknown_outcomes codex": 2,
        "retries codex": 1,
        "failures ReauthorizationRequired OutcomeUnknown codex": 1
      })
    }))

  it.scoped("is not counted after a 5xx, and what is sent after its cooldown is no retry", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      machine.server.next(Scenario.SERVER_ERROR)
      const { accessToken } = yield* processOn(machine)
      yield* Effect.exit(accessToken(tenant))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Meter.moved(settled(accessToken(tenant))), GRANTED)
    }))
})

describe("a recovery", () => {
  it.scoped("is the kept answer that is stored at last, and no redemption", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      yield* Scenario.keep(machine)
      assert.deepStrictEqual(yield* asking(machine), { "recoveries codex": 1 })
    }))
})

describe("a rejection", () => {
  it.scoped("is every token that a caller brings back, also where memory holds a newer one", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      const { recover } = yield* processOn(machine)
      const call = recover(tenant, Redacted.make("lockstep-at-0"))
      assert.deepStrictEqual(yield* Meter.moved(settled(call)), { ...GRANTED, "rejections codex": 1 })
      assert.deepStrictEqual(yield* Meter.moved(call), { "rejections codex": 1 })
    }))
})

describe("the flights", () => {
  it.scoped("are as many as are under way, and none once their process has ended", () =>
    Effect.gen(function*() {
      const machine = yield* expiredLogin()
      yield* machine.write(MemoryMachine.otherTenant, machine.server.issue(Scenario.EXPIRED))
      for (const consume of [false, false]) machine.server.next({ _tag: "Hang", consume })
      const scope = yield* Scope.make()
      const { accessToken } = yield* Scope.extend(machine.process, scope)
      const before = yield* Meter.reading
      for (const one of [tenant, tenant, MemoryMachine.otherTenant]) yield* Effect.fork(accessToken(one))
      yield* Queue.takeN(machine.server.arrivals, 2)
      assert.deepStrictEqual(yield* Meter.since(before), { flights: 2 })
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      assert.notProperty(yield* Meter.since(before), "flights")
    }))
})

describe("a login", () => {
  it.scoped("is counted when it is stored, and by its error when it is not", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* MemoryMachine.make({ lock: lock.service })
      const valid = yield* Scenario.validFor(3_000)
      const { login, put } = machine.writer
      const issue = Effect.sync(() => machine.server.issue(valid))
      const once = { replace: false }
      assert.deepStrictEqual(yield* Meter.moved(login(tenant, issue, once)), { "logins Stored codex": 1 })
      assert.deepStrictEqual(yield* Meter.moved(login(tenant, issue, once)), { "logins CredentialExists codex": 1 })
      assert.deepStrictEqual(yield* Meter.moved(put(tenant, yield* issue, { ...once, note: "import" })), {
        "logins CredentialExists codex": 1
      })
      assert.deepStrictEqual(yield* Meter.moved(put(tenant, yield* issue, { replace: true, note: "import" })), {
        "logins Stored codex": 1
      })
      const secret = { _tag: "Error of user 4711" }
      assert.deepStrictEqual(yield* Meter.moved(login(tenant, Effect.fail(secret), { replace: true })), {
        "logins Failed codex": 1
      })
      lock.fault = new LockUnavailable({ reason: "Permission", path: "/locks" })
      assert.deepStrictEqual(yield* Meter.moved(login(tenant, issue, { replace: true })), {
        "logins LockUnavailable codex": 1
      })
    }))
})

describe("a logout", () => {
  it.scoped("is counted when the login is gone, and not where there was no login", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* expiredLogin({ lock: lock.service })
      const logout = machine.writer.remove(tenant, { revoke: false })
      lock.fault = new LockUnavailable({ reason: "Permission", path: "/locks" })
      assert.deepStrictEqual(yield* Meter.moved(logout), { "logouts LockUnavailable codex": 1 })
      lock.fault = Effect.void
      assert.deepStrictEqual(yield* Meter.moved(logout), { "logouts Removed codex": 1 })
      assert.deepStrictEqual(yield* Meter.moved(logout), {})
    }))
})

describe("the wait for a lock", () => {
  const target = LockTarget.Tenant({ tenant })
  const timer = (outcome: string) =>
    Metric.value(Metrics.lockWait.pipe(
      Metric.tagged("lock", "Tenant"),
      Metric.tagged("tenant", tenant),
      Metric.tagged("outcome", outcome)
    ))
  /** Takes a lock that is free after 5 s, and answers with what was seen of the outcome. */
  const waiting = <A, E>(
    outcome: string,
    look: Effect.Effect<Option.Option<A>, E>,
    after: (lock: ControlledLock.ControlledLock, fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.Effect<unknown>
  ) =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      lock.seize(target)
      const before = yield* timer(outcome)
      const fiber = yield* Effect.fork(Effect.scoped(
        LockWait.acquireOr(lock.service, target, { timeout: Duration.seconds(30), label: tenant, look })
      ))
      yield* TestClock.adjust("5 seconds")
      yield* after(lock, fiber)
      yield* untilAllWait
      yield* Fiber.await(fiber)
      const now = yield* timer(outcome)
      // Tests before this one have timed as well, and a difference of sums is not exact.
      return { count: now.count - before.count, sum: Math.round(now.sum - before.sum) }
    })
  const nothing = Effect.succeedNone

  it.scoped("is timed until the lock is taken", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waiting("Acquired", nothing, (lock) => lock.kill(target)), {
        count: 1,
        sum: 5_000
      })
    }))

  it.scoped("is timed until what was waited for is found", () =>
    Effect.gen(function*() {
      let found = Option.none<string>()
      const look = Effect.sync(() => found)
      const seen = yield* waiting("Found", look, (lock) =>
        Effect.suspend(() => {
          found = Option.some("the winner's token")
          return lock.kill(target)
        }))
      assert.deepStrictEqual(seen, { count: 1, sum: 5_000 })
    }))

  it.scoped("is timed until it is given up: by its caller, by the clock, by a lock that fails", () =>
    Effect.gen(function*() {
      const interrupted = yield* waiting("Interrupted", nothing, (_lock, fiber) => Fiber.interrupt(fiber))
      assert.deepStrictEqual(interrupted, { count: 1, sum: 5_000 })
      const timedOut = yield* waiting("LockTimeout", nothing, () => TestClock.adjust("25 seconds"))
      assert.deepStrictEqual(timedOut, { count: 1, sum: 30_000 })
      const broken = yield* waiting("LockUnavailable", nothing, (lock) =>
        Effect.suspend(() => {
          lock.fault = new LockUnavailable({ reason: "Permission", path: "/locks" })
          return lock.kill(target)
        }))
      assert.deepStrictEqual(broken, { count: 1, sum: 5_000 })
      const failed = yield* waiting("Failed", Effect.fail("the store"), () => Effect.void)
      assert.deepStrictEqual(failed, { count: 1, sum: 0 })
    }))

  it.scoped("names neither tenant nor group where it is not about one tenant", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const take = (target: LockTarget) =>
        Effect.scoped(LockWait.acquire(lock.service, target, { timeout: Duration.seconds(1), label: tenant }))
      yield* take(LockTarget.RotationGroup({ group: "https://auth.example/ client-4711" }))
      const names = Object.keys(yield* Meter.reading)
      assert.includeMembers(names, ["lock.wait RotationGroup Acquired"])
      assert.deepStrictEqual(names.filter((name) => name.includes("4711")), [])
    }))
})
