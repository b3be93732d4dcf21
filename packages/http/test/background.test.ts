import { assert, describe, it } from "@effect/vitest"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine

/** Collects the events that are logged while an effect runs. */
const logging = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const events: Array<string> = []
  const logger = Logger.make<unknown, void>(({ annotations, message }) => {
    const text = JSON.stringify([message, Object.fromEntries(HashMap.toEntries(annotations))])
    const event = /lockstep\.bearer\.\w+/.exec(text)
    if (event !== null) events.push(event[0])
  })
  return Effect.map(
    Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger)),
    (value) => ({ value, events })
  )
}

describe.each(Stage.KINDS)("%s in the background", (_name, make) => {
  it.scoped("reports a rejected token and hands the 401 out, and refreshes nothing", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.rejecting)
      const { events, value } = yield* logging(
        Effect.flatMap(use(make(api, { tenant, background: true })), (call) => Stage.outcome(call(Stage.API)))
      )
      assert.deepStrictEqual([value, events], [401, ["lockstep.bearer.rejected"]])
      assert.deepStrictEqual([api.arrivals.length, machine.server.requests], [1, []])
    }))

  it.scoped("takes the stored token where the foreground would refresh, and fails where it has ended", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(yield* Scenario.validFor(3_660))
      yield* machine.write(
        tenant,
        machine.server.issue({ ...(yield* Scenario.validFor(60)), resource: Option.some(Stage.API) })
      )
      const api = Stage.server(Stage.answering(200))
      const call = yield* use(make(api, { tenant, background: true }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), 200)
      yield* machine.write(tenant, machine.server.issue({ ...Scenario.EXPIRED, resource: Option.some(Stage.API) }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), "ProviderUnavailable(Offline)")
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("may be some requests only", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      const call = yield* use(make(api, {
        tenant,
        background: ({ method, url }) => method === "GET" && url.pathname === "/events"
      }))
      assert.strictEqual(yield* Stage.outcome(call(`${Stage.API}/events`)), 401)
      assert.deepStrictEqual(machine.server.requests, [])
      assert.strictEqual(yield* Stage.outcome(call(`${Stage.API}/events`, { method: "DELETE" })), 200)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))
})
