import { assert, describe, it } from "@effect/vitest"
import type { BearerOptions } from "@lockstep/http/BearerOptions"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine
const OTHER = "RequestRefused(OtherOrigin)"
const PLAIN = "RequestRefused(PlainHttp)"
const named = { origins: [Stage.API, "http://127.0.0.1:8080/", "http://api.example", "no address", "data:,x"] }

describe.each(Stage.KINDS)("%s", (_name, make) => {
  it.scoped.each<readonly [url: string, options: Omit<BearerOptions, "tenant">, expected: string | number]>([
    [`${Stage.API}/v1`, {}, 200],
    ["https://api.example:443/v1", {}, 200],
    ["HTTPS://API.EXAMPLE/v1", {}, 200],
    ["https://api.example:8443/v1", {}, OTHER],
    ["https://api.example.evil.example/", {}, OTHER],
    ["https://sub.api.example/", {}, OTHER],
    ["http://api.example/", {}, PLAIN],
    ["http://localhost.evil.example/", {}, PLAIN],
    ["http://127.0.0.1.evil.example/", {}, PLAIN],
    [`${Stage.API}/v1`, named, 200],
    ["http://127.0.0.1:8080/x", named, 200],
    ["http://127.0.0.1:8081/x", named, OTHER],
    ["http://api.example/", named, PLAIN],
    ["https://other.example/", named, OTHER],
    ["https://other.example/", { origins: ["https://other.example"] }, 200],
    [`${Stage.API}/v1`, { origins: ["https://other.example"] }, OTHER],
    [`${Stage.API}/v1`, { origins: [] }, OTHER],
    [`${Stage.API}/v1`, { origins: ["no address"] }, OTHER]
  ])("a request to %s with %j ends with %s", ([url, options, expected]) =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting("lockstep-at-0"))
      const call = yield* use(make(api, { tenant, ...options }))
      assert.strictEqual(yield* Stage.outcome(call(url)), expected)
      assert.strictEqual(api.arrivals.length, expected === 200 ? 1 : 0)
    }))

  it.scoped.each<readonly [resource: Option.Option<string>, expected: string]>([
    [Option.none<string>(), "RequestRefused(Unbound)"],
    [Option.some("urn:example:api"), "RequestRefused(Unbound)"],
    [Option.some("https://elsewhere.example/mcp"), OTHER]
  ])("a token bound to %j is not sent to the API", ([resource, expected]) =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login({ resource })
      const api = Stage.server(Stage.accepting("lockstep-at-0"))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), expected)
      assert.deepStrictEqual(api.arrivals, [])
    }))

  it.scoped("no token is asked for where the origin speaks against it", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(Scenario.EXPIRED)
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      const call = yield* use(make(api, { tenant, origins: ["https://other.example"] }))
      const plain = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), OTHER)
      assert.strictEqual(yield* Stage.outcome(plain("http://api.example")), PLAIN)
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("the Authorization header of the caller is neither sent nor replaced", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login(Scenario.EXPIRED)
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      const call = yield* use(make(api, { tenant }))
      const own = call(Stage.API, { headers: { Authorization: "Basic abc" } })
      assert.strictEqual(yield* Stage.outcome(own), "RequestRefused(AuthorizationPresent)")
      assert.deepStrictEqual([api.arrivals, machine.server.requests], [[], []])
    }))

  it.scoped.each([["DPoP", "RequestRefused(TokenType)"], ["bearer", 200], ["user", 200]] as const)(
    "a token of the type %s ends with %s",
    ([tokenType, expected]) =>
      Effect.gen(function*() {
        const { use } = yield* Stage.login({ tokenType: Option.some(tokenType) })
        const api = Stage.server(Stage.accepting("lockstep-at-0"))
        const call = yield* use(make(api, { tenant }))
        assert.strictEqual(yield* Stage.outcome(call(Stage.API)), expected)
      })
  )

  it.scoped.each(
    [
      ["a line break in the token", { accessToken: Option.some(Redacted.make("good\r\nX-Forged: 1")) }],
      ["a tab in the token", { accessToken: Option.some(Redacted.make("a\tb")) }],
      ["a letter beyond ASCII in the token", { accessToken: Option.some(Redacted.make("caf\u00e9")) }],
      ["NUL in the token", { accessToken: Option.some(Redacted.make("a\0")) }],
      ["a line break in its type", { tokenType: Option.some("Bearer\r\nX-Forged: 1") }],
      ["a blank in its type", { tokenType: Option.some("Bearer x") }]
    ] as const
  )("%s: it is sent in no header field, and the error does not show it", ([, login]) =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login(login)
      const api = Stage.server(Stage.accepting("lockstep-at-0"))
      const call = yield* use(make(api, { tenant }))
      const error = yield* Effect.flip(call(Stage.API) as Effect.Effect<unknown, Error>)
      assert.strictEqual(`${error.name}(${Reflect.get(error, "reason")})`, "RequestRefused(TokenSyntax)")
      assert.notMatch(error.message, /good|Forged|caf/)
      assert.deepStrictEqual(api.arrivals, [])
    }))

  it.scoped("a login for another resource that came meanwhile is not sent in the replay", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server((arrived) =>
        Effect.zipRight(
          machine.write(
            tenant,
            machine.server.issue({ resource: Option.some("https://elsewhere.example/") })
          ),
          Stage.rejecting(arrived)
        )
      )
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* Stage.outcome(call(Stage.API)), OTHER)
      assert.deepStrictEqual(api.tokens(), [Stage.bearer("lockstep-at-0")])
    }))
})
