import { assert, describe, it } from "@effect/vitest"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine
const [FIRST, SECOND] = ["lockstep-at-0", "lockstep-at-1"]
const BOTH = [FIRST, SECOND].map(Stage.bearer)

const formOf = (name: string, value: string) => {
  const form = new FormData()
  form.set(name, value)
  return form
}

const streamOf = (text: string) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
    }
  })

describe.each(Stage.KINDS)("%s", (_name, make) => {
  it.scoped("sends the stored token and asks for no other one", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting(FIRST))
      const call = yield* use(make(api, { tenant }))
      const answer = yield* call(`${Stage.API}/things?a=1`)
      assert.deepStrictEqual([answer.status, yield* answer.text], [200, "welcome"])
      assert.deepStrictEqual(api.arrivals.map(({ url }) => url), [`${Stage.API}/things?a=1`])
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("refreshes before it sends what would be rejected", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(Scenario.EXPIRED)
      const api = Stage.server(Stage.accepting(SECOND))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(Stage.API)).status, 200)
      assert.deepStrictEqual(api.tokens(), [Stage.bearer(SECOND)])
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("raises a refresh that failed, and sends nothing with a stale token", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(Scenario.EXPIRED)
      machine.server.next(Scenario.INVALID_GRANT)
      const api = Stage.server(Stage.accepting(FIRST))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), "ReauthorizationRequired(InvalidGrant)")
      assert.deepStrictEqual(api.arrivals, [])
    }))

  it.scoped("recovers once from a rejected token and sends the request again", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting(SECOND))
      const call = yield* use(make(api, { tenant }))
      const answer = yield* call(`${Stage.API}/things`, { method: "POST", body: "{}", headers: { "x-trace": "1" } })
      assert.deepStrictEqual([answer.status, yield* answer.text], [200, "welcome"])
      assert.deepStrictEqual(api.tokens(), BOTH)
      assert.deepStrictEqual(api.arrivals.map(({ headers }) => headers["x-trace"]), ["1", "1"])
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("hands out the second 401 as it is", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.rejecting)
      const call = yield* use(make(api, { tenant }))
      const answer = yield* call(Stage.API)
      assert.deepStrictEqual([answer.status, yield* answer.text], [401, "no"])
      assert.deepStrictEqual(api.tokens(), BOTH)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("raises a recovery that failed", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      machine.server.next(Scenario.INVALID_GRANT)
      const api = Stage.server(Stage.rejecting)
      const call = yield* use(make(api, { tenant }))
      assert.match(String(yield* Stage.outcome(call(Stage.API))), /^(?:ReauthorizationRequired|ProviderUnavailable)/)
      assert.strictEqual(api.arrivals.length, 1)
    }))

  const bodies: ReadonlyArray<readonly [string, () => Stage.Init["body"]]> = [
    ["text", () => "lines"],
    ["bytes", () => new Uint8Array([1, 2, 3])],
    ["URL parameters", () => new URLSearchParams({ a: "1" })],
    ["a form", () => formOf("a", "1")]
  ]
  it.scoped.each(bodies)("sends a body of %s twice, unchanged", ([, body]) =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting(SECOND))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(Stage.API, { method: "POST", body: body() })).status, 200)
      assert.deepStrictEqual(api.tokens(), BOTH)
      assert.deepStrictEqual(api.arrivals[0]!.body, api.arrivals[1]!.body)
    }))

  it.scoped("does not send a stream twice, says so, and has the next request succeed", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting(SECOND))
      const call = yield* use(make(api, { tenant }))
      const streamed = call(Stage.API, { method: "POST", body: streamOf("x") })
      assert.strictEqual(yield* Stage.outcome(streamed), "RequestNotReplayed")
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
      assert.strictEqual((yield* call(Stage.API)).status, 200)
      assert.deepStrictEqual(api.tokens(), BOTH)
    }))

  it.scoped("sends nothing twice when the connection breaks", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting(FIRST))
      api.breakConnections()
      const call = yield* use(make(api, { tenant }))
      assert.match(String(yield* Stage.outcome(call(Stage.API))), /^(?:RequestError\(Transport\)|Failed)$/)
      assert.strictEqual(api.arrivals.length, 1)
    }))

  it.scoped.each(
    [
      ["Bearer", 2],
      ["", 2],
      ["Basic realm=\"x\"", 2],
      ["Bearer error=\"invalid_token\", error_description=\"a, b\"", 2],
      ["DPoP error=\"use_dpop_nonce\", Bearer error=\"invalid_token\"", 2],
      ["Bearer error=\"invalid_request\"", 1],
      ["Bearer error=\"something_else\"", 1]
    ] as const
  )("a 401 with %j leads to %d requests", ([challenge, requests]) =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server(Stage.answering(401, challenge === "" ? {} : { "www-authenticate": challenge }))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(Stage.API)).status, 401)
      assert.strictEqual(api.arrivals.length, requests)
      assert.strictEqual(machine.server.redemptions.length, requests - 1)
    }))

  it.scoped("a delayed 401 for an old token adopts the new one and rotates nothing", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const late = yield* Deferred.make<void>()
      let slow = true
      const api = Stage.server((arrived) => {
        const answer = Stage.accepting(SECOND)(arrived)
        if (!slow) return answer
        slow = false
        return Effect.zipRight(Deferred.await(late), answer)
      })
      const call = yield* use(make(api, { tenant }))
      const delayed = yield* Effect.fork(call(`${Stage.API}/slow`))
      yield* Queue.take(api.signals)
      assert.strictEqual((yield* call(`${Stage.API}/quick`)).status, 200)
      yield* Deferred.succeed(late, undefined)
      assert.strictEqual((yield* Fiber.join(delayed)).status, 200)
      assert.deepStrictEqual(api.tokens(), [FIRST, FIRST, SECOND, SECOND].map(Stage.bearer))
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    }))

  it.scoped("one rejected token of many requests in several processes is recovered from once", () =>
    Effect.gen(function*() {
      const { coordinator, machine } = yield* Stage.login()
      const others = yield* Effect.replicateEffect(Scenario.processOn(machine), 3)
      const api = Stage.server(Stage.accepting(SECOND))
      const calls = yield* Effect.forEach(
        [coordinator, ...others],
        (one) => Effect.provideService(make(api, { tenant }), Stage.Coordinator, one)
      )
      const answers = yield* Effect.all(
        calls.flatMap((call) => Array.from({ length: 8 }, () => Stage.outcome(call(Stage.API)))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers, Array.from({ length: 32 }, () => 200))
      assert.deepStrictEqual([machine.server.redemptions, machine.server.reuses], [["lockstep-rt-0"], []])
    }))
})
