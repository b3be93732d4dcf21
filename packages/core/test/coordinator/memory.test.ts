import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as WallClock from "@lockstep/testing/WallClock"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const { failing, processOn } = Scenario

/** A machine whose reads are counted, and can be made to fail. */
const counted = Effect.gen(function*() {
  const reads = { count: 0, fail: false }
  const machine = yield* MemoryMachine.make({
    store: {
      get: () =>
        Effect.suspend(() => {
          reads.count++
          return reads.fail
            ? new CredentialStoreError({ reason: "Read", location: "memory", detail: "EIO" })
            : Effect.void
        })
    }
  })
  yield* TestClock.adjust("1 hour")
  yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_000)))
  reads.count = 0
  return { machine, reads }
})

describe("the token in memory", () => {
  it.scoped("is served without a look at the store while that is quiet", () =>
    Effect.gen(function*() {
      const { machine, reads } = yield* counted
      const coordinator = yield* processOn(machine)
      for (let n = 0; n < 100; n++) yield* coordinator.accessToken(tenant)
      assert.strictEqual(reads.count, 1)
    }))

  it.scoped("gives way at the next call when another process writes the store", () =>
    Effect.gen(function*() {
      const { machine } = yield* counted
      const coordinator = yield* processOn(machine)
      yield* coordinator.accessToken(tenant)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(3_000)))
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("is read again after a refresh, which another process may have overwritten, and then no more", () =>
    Effect.gen(function*() {
      const { machine, reads } = yield* counted
      const coordinator = yield* processOn(machine)
      yield* coordinator.refresh(tenant)
      reads.count = 0
      for (let n = 0; n < 10; n++) yield* coordinator.accessToken(tenant)
      assert.strictEqual(reads.count, 1)
    }))

  it.scoped("is not served to a demand that it does not meet", () =>
    Effect.gen(function*() {
      const { machine } = yield* counted
      const coordinator = yield* processOn(machine)
      const { token } = yield* coordinator.accessToken(tenant)
      assert.strictEqual(valueOf(yield* coordinator.recover(tenant, token)), "lockstep-at-1")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant, { minTtl: "59 minutes" })), "lockstep-at-1")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant, { minTtl: "59 minutes" })), "lockstep-at-2")
    }))

  it.scoped("is served while the store cannot be read, for as long as it is valid", () =>
    Effect.gen(function*() {
      const { machine, reads } = yield* counted
      const coordinator = yield* processOn(machine)
      yield* coordinator.accessToken(tenant)
      reads.fail = true
      yield* machine.store.modify(tenant, (current) => ({ _tag: "Remove", value: current }))
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      yield* TestClock.adjust("49 minutes")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-0")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* failing(coordinator.accessToken(tenant)), "CredentialStoreError(Read)")
      assert.strictEqual(yield* failing((yield* processOn(machine)).accessToken(tenant)), "CredentialStoreError(Read)")
    }))
})

describe("looking without refreshing", () => {
  it.scoped("serves what is valid, and says that nothing was asked for where it is not", () =>
    Effect.gen(function*() {
      const { machine } = yield* counted
      const coordinator = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* coordinator.peek(tenant)), "lockstep-at-0")
      assert.strictEqual(yield* failing(coordinator.peek(tenant, { minTtl: "1 hour" })), "ProviderUnavailable(Offline)")
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(yield* failing(coordinator.peek(tenant)), "ProviderUnavailable(Offline)")
      assert.deepStrictEqual(machine.server.requests, [])
    }))
})

describe("a wall clock that is set back", () => {
  const scene = Effect.gen(function*() {
    const { machine } = yield* counted
    const wall = yield* WallClock.make
    const coordinator = yield* processOn(machine, wall.clock)
    const ask = Effect.withClock(coordinator.accessToken(tenant), wall.clock)
    yield* ask
    return { machine, wall, ask }
  })

  const on = (clock: Clock.Clock) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withClock(effect, clock)

  it.scoped("gives no token a longer life in the process that adopted it", () =>
    Effect.gen(function*() {
      const { ask, machine, wall } = yield* scene
      yield* TestClock.adjust("49 minutes")
      wall.shift(-30_000)
      // Half an hour by the wall clock is left, half a minute in truth.
      wall.shift(-1_770_000)
      assert.strictEqual(valueOf(yield* ask), "lockstep-at-1")
      assert.strictEqual(machine.server.requests.length, 1)
      assert.strictEqual(valueOf(yield* ask), "lockstep-at-1")
    }))

  it.scoped("does not either when the record is written again with the same token", () =>
    Effect.gen(function*() {
      const { ask, machine, wall } = yield* scene
      yield* TestClock.adjust("49 minutes")
      wall.shift(-1_800_000)
      yield* machine.write(
        tenant,
        Credential.Credential.make({ ...(yield* machine.read(tenant)), scope: Option.some("b") })
      )
      assert.strictEqual(valueOf(yield* ask), "lockstep-at-1")
    }))

  it.scoped("serves no token as still valid that has run out", () =>
    Effect.gen(function*() {
      const { ask, machine, wall } = yield* scene
      yield* TestClock.adjust("51 minutes")
      wall.shift(-1_800_000)
      machine.server.next(Scenario.rateLimited(30))
      assert.strictEqual(yield* failing(ask), "ProviderUnavailable(RateLimited)")
    }))

  it.scoped("makes a token of the future worth one refresh, not more", () =>
    Effect.gen(function*() {
      const { machine } = yield* counted
      const wall = yield* WallClock.make
      // Obtained ten minutes ago, which is twenty minutes from now.
      wall.shift(-1_800_000)
      const coordinator = yield* processOn(machine, wall.clock)
      for (const _ of [1, 2, 3]) {
        assert.strictEqual(valueOf(yield* on(wall.clock)(coordinator.accessToken(tenant))), "lockstep-at-1")
      }
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("by less than a minute is a clock that was corrected", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* TestClock.adjust("1 hour")
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(7_200), obtainedAt: Option.some(3_600) })
      )
      const wall = yield* WallClock.make
      const coordinator = yield* processOn(machine, wall.clock)
      wall.shift(-60_000)
      assert.strictEqual(valueOf(yield* on(wall.clock)(coordinator.accessToken(tenant))), "lockstep-at-0")
      wall.shift(-1)
      assert.strictEqual(
        valueOf(yield* on(wall.clock)((yield* processOn(machine, wall.clock)).accessToken(tenant))),
        "lockstep-at-1"
      )
    }))
})
