import { assert, describe, it } from "@effect/vitest"
import { InsufficientScope } from "@lockstep/http/BearerError"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine
const METADATA = "https://api.example/.well-known/oauth-protected-resource"
const challenge = (scope: string) =>
  `Bearer error="insufficient_scope", scope="${scope}", resource_metadata="${METADATA}"`

describe.each(Stage.KINDS)("%s, told that the scope does not suffice", (_name, make) => {
  it.scoped.each([403, 401])(
    "by a %d, raises what to ask for, and refreshes nothing",
    (status) =>
      Effect.gen(function*() {
        const { machine, use } = yield* Stage.login({ scope: Option.some("read list") })
        const api = Stage.server(Stage.answering(status, { "www-authenticate": challenge("read write") }))
        const call = yield* use(make(api, { tenant }))
        const error = yield* Effect.flip(call(Stage.API))
        assert.instanceOf(error, InsufficientScope)
        if (!(error instanceof InsufficientScope)) return
        assert.deepStrictEqual([error.required, error.granted, error.resourceMetadata, error.scope], [
          "read write",
          "read list",
          METADATA,
          ["read", "list", "write"]
        ])
        assert.strictEqual(
          error.message,
          "https://api.example wants more scope than the token of codex has: read write"
        )
        assert.strictEqual(error.advice, "log in again and ask for this scope: read list write")
        assert.deepStrictEqual([machine.server.requests, api.arrivals.length], [[], 1])
      })
  )

  it.scoped("hands the 403 out where the caller steps up by itself", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.answering(403, { "www-authenticate": challenge("write") }))
      const call = yield* use(make(api, { tenant, stepUp: "respond" }))
      const answer = yield* call(Stage.API)
      assert.deepStrictEqual([answer.status, answer.headers["www-authenticate"]], [403, challenge("write")])
    }))

  it.scoped.each(["", "Bearer", "Bearer error=\"invalid_token\"", "Basic error=\"insufficient_scope\""])(
    "leaves a 403 with %j to the caller",
    (header) =>
      Effect.gen(function*() {
        const { machine, use } = yield* Stage.login()
        const api = Stage.server(Stage.answering(403, header === "" ? {} : { "www-authenticate": header }))
        const call = yield* use(make(api, { tenant }))
        assert.strictEqual((yield* call(Stage.API)).status, 403)
        assert.deepStrictEqual([machine.server.requests, api.arrivals.length], [[], 1])
      })
  )
})

describe("the advice to log in with more scope", () => {
  it("takes nothing over that is no scope", () => {
    const error = new InsufficientScope({
      tenant: "mcp:x y",
      origin: "https://a.example",
      required: "a;rm $(b) \u001b[31m 'c'"
    })
    assert.strictEqual(
      error.advice,
      "log in again and ask for this scope: a;rm $(b) 'c'"
    )
    assert.notInclude(error.message, "\u001b")
  })
})
