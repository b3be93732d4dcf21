import { assert, describe, it } from "@effect/vitest"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine

/** A refresh that is under way until it is let go. */
const slowRefresh = (machine: MemoryMachine.MemoryMachine) =>
  Effect.tap(Deferred.make<void>(), (gate) => Effect.sync(() => machine.server.next({ _tag: "GrantLate", gate })))

describe.each(Stage.KINDS)("%s with a bound of one second", (_name, make) => {
  it.scoped.each(
    [
      ["refresh before the request", () => Stage.login(Scenario.EXPIRED)],
      ["recovery", () => Stage.login()]
    ] as const
  )("does not count how long the %s takes", ([, login]) =>
    Effect.gen(function*() {
      const { machine, use } = yield* login()
      const gate = yield* slowRefresh(machine)
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      const call = yield* use(make(api, { tenant, timeout: "1 second" }))
      const calling = yield* Effect.fork(Stage.outcome(call(Stage.API)))
      yield* Queue.take(machine.server.arrivals)
      yield* TestClock.adjust("5 seconds")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(calling), 200)
    }))

  it.scoped("gives up a request that is not answered, says so, and sends nothing again", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(() => Effect.never)
      const call = yield* use(make(api, { tenant, timeout: "1 second" }))
      const calling = yield* Effect.fork(Stage.outcome(call(Stage.API)))
      yield* Queue.take(api.signals)
      yield* Scenario.untilAllWait
      yield* TestClock.adjust("999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(calling)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(calling), "ResponseTimeout")
      assert.strictEqual(api.arrivals.length, 1)
    }))

  it.scoped("counts a request and its replay together", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const gates = yield* Effect.replicateEffect(Deferred.make<void>(), 2)
      const waiting = [...gates]
      const api = Stage.server((arrived) =>
        Effect.zipRight(Deferred.await(waiting.shift()!), Stage.accepting("lockstep-at-1")(arrived))
      )
      const call = yield* use(make(api, { tenant, timeout: "1 second" }))
      const calling = yield* Effect.fork(Stage.outcome(call(Stage.API)))
      yield* Queue.take(api.signals)
      yield* TestClock.adjust("600 millis")
      yield* Deferred.succeed(gates[0]!, undefined)
      yield* Queue.take(api.signals)
      yield* TestClock.adjust("399 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(calling)))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(calling), "ResponseTimeout")
    }))
})

describe("a caller who gives up", () => {
  it.scoped.each(Stage.KINDS)("%s: ends no refresh", ([, make]) =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(Scenario.EXPIRED)
      const gate = yield* slowRefresh(machine)
      const call = yield* use(make(Stage.server(Stage.accepting("lockstep-at-1")), { tenant }))
      const calling = yield* Effect.fork(call(Stage.API))
      yield* Queue.take(machine.server.arrivals)
      yield* Fiber.interrupt(calling)
      yield* Deferred.succeed(gate, undefined)
      yield* Scenario.untilAllWait
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("by a signal while the refresh is under way has the signal's reason, at once, and ends no refresh", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(Scenario.EXPIRED)
      const gate = yield* slowRefresh(machine)
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      const fetch = yield* use(BearerFetch.make({ tenant, fetch: api.fetch }))
      const abort = new AbortController()
      const calling = yield* Effect.fork(Effect.flip(Effect.tryPromise({
        try: () => fetch(Stage.API, { signal: abort.signal }),
        catch: (reason) => reason
      })))
      yield* Queue.take(machine.server.arrivals)
      abort.abort("enough")
      assert.strictEqual(yield* Fiber.join(calling), "enough")
      yield* Deferred.succeed(gate, undefined)
      yield* Scenario.untilAllWait
      assert.deepStrictEqual([yield* machine.refreshToken(tenant), api.arrivals.length], ["lockstep-rt-1", 0])
    }))
})

describe("the body of a rejected answer", () => {
  it.scoped("is let go by the HttpClient after a second, where it does not end", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const cancelled: Array<string> = []
      const api = Stage.server(({ authorization }) =>
        Effect.sync(() =>
          authorization === Stage.bearer("lockstep-at-1")
            ? new Response("welcome")
            : new Response(new ReadableStream({ cancel: () => void cancelled.push("rejected") }), { status: 401 })
        )
      )
      const client = (yield* use(BearerClient.make({ tenant })))(api.client)
      const calling = yield* Effect.fork(Stage.outcome(client.get(Stage.API)))
      yield* Queue.take(api.signals)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(calling), 200)
      assert.deepStrictEqual(cancelled, ["rejected"])
    }))
})
