import { assert, describe, it } from "@effect/vitest"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine

/** Calls so often, and answers with how often a token was renewed. */
const calls = (call: Stage.Call, count: number, machine: MemoryMachine.MemoryMachine) =>
  Effect.gen(function*() {
    const before = machine.server.redemptions.length
    for (let n = 0; n < count; n++) assert.strictEqual(yield* Stage.outcome(call(Stage.API)), 401)
    return machine.server.redemptions.length - before
  })

describe.each(Stage.KINDS)("%s, while fresh tokens are rejected", (_name, make) => {
  it.scoped("recovers once, and then not before a pause that doubles", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const call = yield* use(make(Stage.server(Stage.rejecting), { tenant }))
      assert.strictEqual(yield* calls(call, 20, machine), 1)
      yield* TestClock.adjust("4900 millis")
      assert.strictEqual(yield* calls(call, 3, machine), 0)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* calls(call, 3, machine), 1)
      yield* TestClock.adjust("9900 millis")
      assert.strictEqual(yield* calls(call, 3, machine), 0)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* calls(call, 3, machine), 1)
    }))

  it.scoped("many requests at once make one recovery and one pause", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const call = yield* use(make(Stage.server(Stage.rejecting), { tenant }))
      yield* Effect.all(Array.from({ length: 50 }, () => Stage.outcome(call(Stage.API))), { concurrency: "unbounded" })
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* calls(call, 1, machine), 1)
    }))

  it.scoped("another token is tried at once", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const call = yield* use(make(Stage.server(Stage.rejecting), { tenant }))
      assert.strictEqual(yield* calls(call, 2, machine), 1)
      yield* machine.write(tenant, machine.server.issue({ resource: (yield* machine.read(tenant)).resource }))
      assert.strictEqual(yield* calls(call, 2, machine), 1)
    }))

  it.scoped("an accepted token begins anew", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.rejecting)
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* calls(call, 2, machine), 1)
      api.answer(Stage.answering(200))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), 200)
      api.answer(Stage.rejecting)
      assert.strictEqual(yield* calls(call, 2, machine), 1)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* calls(call, 2, machine), 1)
    }))

  it.scoped.each([500, 404, 403])("a %d says nothing about the token", (status) =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.rejecting)
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* calls(call, 2, machine), 1)
      api.answer(Stage.answering(status))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), status)
      api.answer(Stage.rejecting)
      assert.strictEqual(yield* calls(call, 2, machine), 0)
    }))

  it.scoped("that one origin rejects them says nothing about another", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const good = "https://good.example"
      const api = Stage.server((arrived) =>
        arrived.url.startsWith(good) ? Stage.answering(200)(arrived) : Stage.rejecting(arrived)
      )
      const call = yield* use(make(api, { tenant, origins: [Stage.API, good] }))
      for (let n = 0; n < 10; n++) {
        yield* calls(call, 1, machine)
        assert.strictEqual(yield* Stage.outcome(call(good)), 200)
      }
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("the brake of the journal is raised, and spares the journal the next questions", () =>
    Effect.gen(function*() {
      const { coordinator, machine, use } = yield* Stage.login()
      for (let n = 0; n < 3; n++) {
        yield* coordinator.recover(tenant, (yield* coordinator.accessToken(tenant)).token)
      }
      const call = yield* use(make(Stage.server(Stage.rejecting), { tenant }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), "ProviderRejected(FreshTokenRejected)")
      assert.strictEqual(yield* calls(call, 5, machine), 0)
    }))
})
