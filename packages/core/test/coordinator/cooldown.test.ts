import { assert, describe, it } from "@effect/vitest"
import { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import type * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as WallClock from "@lockstep/testing/WallClock"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const { failing, processOn } = Scenario

/** A machine whose server answered one request with a failure. */
const failed = (behaviour: ScriptedTokenEndpoint.Behaviour) =>
  Effect.gen(function*() {
    const machine = yield* Scenario.expiredLogin()
    machine.server.next(behaviour)
    const coordinator = yield* processOn(machine)
    const error = yield* Effect.flip(coordinator.accessToken(tenant))
    const cooldown = Option.getOrThrow((yield* machine.journal.read(tenant)).cooldown)
    return { machine, coordinator, error, cooldown, wait: cooldown.until - cooldown.setAt }
  })

const refused = (reason: "InvalidClient" | "Entitlement" | "Protocol"): ScriptedTokenEndpoint.Behaviour => ({
  _tag: "Answer",
  answer: RedeemAnswer.Rejected({ reason, detail: "no" })
})

describe("an unsuccessful answer", () => {
  it.scoped("keeps every process from asking, and says for how long", () =>
    Effect.gen(function*() {
      const { error, machine } = yield* failed(Scenario.rateLimited(30))
      assert.strictEqual(Scenario.told(error), "ProviderUnavailable(RateLimited)")
      assert.propertyVal(error, "retryAfter", 30_000)
      yield* TestClock.adjust("10 seconds")
      const other = yield* Effect.flip((yield* processOn(machine)).accessToken(tenant))
      assert.strictEqual(Scenario.told(other), "ProviderUnavailable(Cooldown)")
      assert.propertyVal(other, "retryAfter", 20_000)
      assert.strictEqual(machine.server.requests.length, 1)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).cooldown))
    }))

  it.scoped("that asks for more than an hour is granted an hour", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* failed(Scenario.rateLimited(86_400))).wait, 3_600_000)
    }))

  it.scoped("that names no time costs 1 s, doubling to 60 s, each with up to half of it taken off by chance", () =>
    Effect.gen(function*() {
      const { coordinator, machine, wait } = yield* failed(Scenario.SERVER_ERROR)
      const waits = [wait]
      for (let n = 1; n < 9; n++) {
        yield* TestClock.adjust("1 minute")
        machine.server.next(Scenario.SERVER_ERROR)
        yield* failing(coordinator.accessToken(tenant))
        const { setAt, until } = Option.getOrThrow((yield* machine.journal.read(tenant)).cooldown)
        waits.push(until - setAt)
      }
      waits.forEach((one, n) => {
        const full = Math.min(1_000 * 2 ** n, 60_000)
        assert.isAtLeast(one, full / 2, `wait ${n}`)
        assert.isAtMost(one, full, `wait ${n}`)
      })
    }))

  it.scoped("begins to count anew after a success", () =>
    Effect.gen(function*() {
      const { coordinator, machine } = yield* failed(Scenario.rateLimited(5))
      yield* TestClock.adjust("5 seconds")
      yield* coordinator.accessToken(tenant)
      yield* TestClock.adjust("1 hour")
      machine.server.next(Scenario.SERVER_ERROR)
      yield* failing(coordinator.accessToken(tenant))
      assert.strictEqual(Option.getOrThrow((yield* machine.journal.read(tenant)).cooldown).failures, 1)
    }))

  it.scoped("of a request that was never sent costs one second, however often it fails", () =>
    Effect.gen(function*() {
      const { coordinator, error, machine, wait } = yield* failed(Scenario.NEVER_SENT)
      assert.strictEqual(Scenario.told(error), "ProviderUnavailable(Transport)")
      assert.strictEqual(wait, 1_000)
      for (const _ of [1, 2, 3]) {
        yield* TestClock.adjust("1 second")
        machine.server.next(Scenario.NEVER_SENT)
        yield* failing(coordinator.accessToken(tenant))
        const { setAt, until } = Option.getOrThrow((yield* machine.journal.read(tenant)).cooldown)
        assert.strictEqual(until - setAt, 1_000)
        assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
      }
    }))

  it.scoped("of a discovery costs one second too, and a wrong client is named", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin()
      machine.server.prepare = new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 1_000 })
      const coordinator = yield* processOn(machine)
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderUnavailable(Transport)")
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderUnavailable(Cooldown)")
      yield* TestClock.adjust("1 second")
      machine.server.prepare = new ProviderRejected({ tenant, reason: "InvalidClient" })
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderRejected(InvalidClient)")
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  for (const reason of ["InvalidClient", "Entitlement", "Protocol"] as const) {
    it.scoped(`that no login would help (${reason}) is no login problem, marks nothing and cools down`, () =>
      Effect.gen(function*() {
        const { coordinator, error, machine } = yield* failed(refused(reason))
        assert.strictEqual(Scenario.told(error), `ProviderRejected(${reason})`)
        const record = yield* machine.journal.read(tenant)
        assert.isTrue(Option.isNone(record.mark))
        assert.isTrue(Option.isNone(record.intent))
        assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "ProviderUnavailable(Cooldown)")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
      }))
  }
})

describe("the cooldown", () => {
  it.scoped("is void when the clock went back behind its start", () =>
    Effect.gen(function*() {
      const { machine } = yield* failed(Scenario.rateLimited(3_600))
      const wall = yield* WallClock.make
      wall.shift(-10_000)
      const coordinator = yield* processOn(machine, wall.clock)
      assert.strictEqual(
        valueOf(yield* Effect.withClock(coordinator.accessToken(tenant), wall.clock)),
        "lockstep-at-1"
      )
    }))

  it.scoped("of our own is passed by a person, and not by a rejected token", () =>
    Effect.gen(function*() {
      const { coordinator, machine } = yield* failed(Scenario.SERVER_ERROR)
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      assert.strictEqual(yield* failing(coordinator.recover(tenant, rejected)), "ProviderUnavailable(Cooldown)")
      assert.strictEqual(valueOf((yield* coordinator.refresh(tenant)).token), "lockstep-at-1")
    }))

  it.scoped("that the server named is passed by no process", () =>
    Effect.gen(function*() {
      const { coordinator, machine } = yield* failed(Scenario.rateLimited(30))
      const rejected = Option.getOrThrow((yield* machine.read(tenant)).accessToken)
      assert.strictEqual(yield* failing(coordinator.recover(tenant, rejected)), "ProviderUnavailable(Cooldown)")
      assert.strictEqual(yield* failing(coordinator.refresh(tenant)), "ProviderUnavailable(Cooldown)")
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("takes a token that is still valid from no caller", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin()
      const coordinator = yield* processOn(machine)
      machine.server.next(Scenario.rateLimited(30))
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      assert.strictEqual(
        yield* failing(coordinator.accessToken(tenant, { minTtl: "2 minutes" })),
        "ProviderUnavailable(Cooldown)"
      )
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("does not keep a caller from what another process stored meanwhile", () =>
    Effect.gen(function*() {
      const { coordinator, machine } = yield* failed(Scenario.rateLimited(30))
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_600)))
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
    }))
})
