import { assert, describe, it } from "@effect/vitest"
import * as Lineage from "@lockstep/core/Lineage"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const { tenant } = MemoryMachine

/** A login that has expired, and what it is called. */
const begun = Effect.gen(function*() {
  const machine = yield* Scenario.expiredLogin()
  const stored = Effect.map(Effect.orDie(machine.store.get(tenant)), Option.getOrThrow)
  const name = Lineage.of(machine.host, yield* stored, yield* machine.journal.read(tenant))
  const isStill = Effect.zipWith(
    stored,
    Effect.orDie(machine.journal.read(tenant)),
    (present, journal) => Lineage.isOf(machine.host, name, present, journal)
  )
  return { isStill, machine, name }
})

describe("a login", () => {
  it.scoped("stays the same one when it is refreshed, once and again", () =>
    Effect.gen(function*() {
      const { isStill, machine } = yield* begun
      assert.isTrue(yield* isStill)
      const coordinator = yield* Scenario.processOn(machine)
      yield* coordinator.refresh(tenant)
      assert.isTrue(yield* isStill)
      yield* coordinator.refresh(tenant)
      assert.isTrue(yield* isStill)
    }))

  it.scoped("is another one when a person logs in, and stays another when that is refreshed", () =>
    Effect.gen(function*() {
      const { isStill, machine } = yield* begun
      yield* machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), { replace: true })
      assert.isFalse(yield* isStill)
      yield* (yield* Scenario.processOn(machine)).refresh(tenant)
      assert.isFalse(yield* isStill)
    }))

  it.scoped("is named without its token", () =>
    Effect.gen(function*() {
      const { machine, name } = yield* begun
      assert.notInclude(name, yield* machine.refreshToken(tenant))
    }))
})

describe("what a login may replace", () => {
  it.scoped("is decided under the lock, by the record that is there then", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, yield* Scenario.validFor(3_000))
      const asked: Array<string> = []
      const login = (may: boolean) =>
        Effect.either(machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), {
          replace: (present, journal) => {
            asked.push(`${present.credential.generation} ${journal.outcomes.length}`)
            return may
          }
        }))
      assert.strictEqual((yield* login(false))._tag, "Left")
      assert.deepStrictEqual(asked, ["1 0"])
      assert.strictEqual((yield* login(true))._tag, "Right")
      // Before anything is spent, and once more in the compare-and-swap.
      assert.deepStrictEqual(asked, ["1 0", "1 0", "1 0"])
    }))
})
