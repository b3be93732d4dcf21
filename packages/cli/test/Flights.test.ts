import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Flights from "../src/Flights.js"

const look = (flights: Flights.Flights, seen: Array<ReadonlyArray<string>>) =>
  Effect.sync(() => void seen.push(flights.holding()))

describe("Flights", () => {
  it.effect("knows a refresh from the moment that it has its lock", () =>
    Effect.gen(function*() {
      const flights = Flights.make()
      const seen: Array<ReadonlyArray<string>> = []
      const note = look(flights, seen)
      yield* Effect.zipRight(Effect.withSpan(note, "lockstep.refresh.lock"), note).pipe(
        Effect.withSpan("lockstep.refresh", { root: true, attributes: { tenant: "codex" } }),
        Effect.zipRight(note),
        Effect.provide(flights.layer)
      )
      assert.deepStrictEqual(seen, [[], ["the refresh of codex"], []])
    }))

  it.effect("knows a login from the moment that it spends what the person brought", () =>
    Effect.gen(function*() {
      const flights = Flights.make()
      const seen: Array<ReadonlyArray<string>> = []
      let idle = 0
      const note = look(flights, seen)
      yield* Effect.zipRight(
        note,
        Effect.withSpan(
          Effect.zipRight(note, Effect.sync(() => flights.whenIdle(() => idle++))),
          "lockstep.login.obtain"
        )
      ).pipe(
        Effect.zipRight(note),
        Effect.withSpan("lockstep.login", { attributes: { tenant: "acme" } }),
        Effect.zipRight(note),
        Effect.withSpan("lockstep.login.browser"),
        Effect.provide(flights.layer)
      )
      assert.deepStrictEqual(seen, [[], ["the login of acme"], ["the login of acme"], []])
      assert.strictEqual(idle, 1)
    }))

  it.effect("does not take a wait that failed for a lock", () =>
    Effect.gen(function*() {
      const flights = Flights.make()
      const seen: Array<ReadonlyArray<string>> = []
      yield* Effect.ignore(Effect.withSpan(Effect.fail("taken"), "lockstep.refresh.lock")).pipe(
        Effect.zipRight(look(flights, seen)),
        Effect.withSpan("lockstep.refresh", { root: true }),
        Effect.provide(flights.layer)
      )
      assert.deepStrictEqual(seen, [[]])
    }))
})
