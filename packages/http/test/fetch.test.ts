import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { ReauthorizationRequired } from "@lockstep/core/Errors"
import * as BearerClient from "@lockstep/http/BearerClient"
import { RequestRefused } from "@lockstep/http/BearerError"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine

const reject = (call: () => Promise<unknown>): Effect.Effect<unknown> =>
  Effect.flip(Effect.tryPromise({ try: call, catch: (reason) => reason })).pipe(
    Effect.orElseFail(() => "it was expected to reject"),
    Effect.merge
  )

const made = (answer: Stage.Answer, fields?: Parameters<typeof Stage.login>[0]) =>
  Effect.gen(function*() {
    const { machine, use } = yield* Stage.login(fields)
    const api = Stage.server(answer)
    return { machine, api, fetch: yield* use(BearerFetch.make({ tenant, fetch: api.fetch })) }
  })

describe("the fetch", () => {
  it.scoped("rejects with the typed error itself", () =>
    Effect.gen(function*() {
      const { fetch, machine } = yield* made(Stage.answering(200), Scenario.EXPIRED)
      machine.server.next(Scenario.INVALID_GRANT)
      const error = yield* reject(() => fetch(Stage.API))
      assert.isTrue(error instanceof Error && error instanceof ReauthorizationRequired)
      assert.isTrue((yield* reject(() => fetch("http://api.example"))) instanceof RequestRefused)
    }))

  it.scoped("rejects with what fetch itself rejects with, as it is", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const reason = new TypeError("fetch failed", { cause: "ECONNRESET" })
      const fetch = yield* use(BearerFetch.make({ tenant, fetch: () => Promise.reject(reason) }))
      assert.strictEqual(yield* reject(() => fetch(Stage.API)), reason)
    }))

  it.scoped("rejects as fetch does what is no address or was aborted before, and asks for no token", () =>
    Effect.gen(function*() {
      const { api, fetch, machine } = yield* made(Stage.answering(200), Scenario.EXPIRED)
      assert.instanceOf(yield* reject(() => fetch("no address")), TypeError)
      assert.strictEqual(yield* reject(() => fetch(Stage.API, { signal: AbortSignal.abort("no") })), "no")
      assert.deepStrictEqual([api.arrivals, machine.server.requests], [[], []])
    }))

  it.scoped("takes a Request with its method, headers and body, and sends it twice where it must", () =>
    Effect.gen(function*() {
      const { api, fetch } = yield* made(Stage.accepting("lockstep-at-1"))
      const request = new Request(`${Stage.API}/x`, { method: "PUT", body: "abc", headers: { "x-own": "1" } })
      const response = yield* Effect.promise(() => fetch(request, { headers: { "x-own": "2" } }))
      assert.strictEqual(response.status, 200)
      assert.deepStrictEqual(
        api.arrivals.map(({ body, headers, method, url }) => [
          method,
          url,
          headers["x-own"],
          new TextDecoder().decode(body as ArrayBuffer)
        ]),
        Array.from({ length: 2 }, () => ["PUT", `${Stage.API}/x`, "2", "abc"])
      )
      assert.isTrue(request.bodyUsed)
    }))

  it.scoped("takes a URL, passes unknown options on, and leaves the caller's headers alone", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const inits: Array<unknown> = []
      const fetch = yield* use(BearerFetch.make({
        tenant,
        fetch: async (_url, init) => {
          inits.push(init)
          return new Response("ok")
        }
      }))
      const headers = new Headers({ "x-own": "1" })
      const dispatcher = {}
      yield* Effect.promise(() => fetch(new URL(Stage.API), { method: "post", headers, dispatcher } as RequestInit))
      assert.deepInclude(inits[0], { method: "POST", dispatcher })
      assert.isFalse(headers.has("authorization"))
    }))

  it.scoped("lets no browser ask a person for a password on behalf of a stream", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const seen: Array<string | undefined> = []
      const send = async (_url: unknown, init: RequestInit = {}) => {
        seen.push(init.credentials)
        return new Response("ok")
      }
      const fetch = yield* use(BearerFetch.make({ tenant, fetch: send }))
      const client = yield* Effect.provide(
        HttpClient.HttpClient,
        Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, send as typeof globalThis.fetch))
      )
      const bearer = (yield* use(BearerClient.make({ tenant })))(client)
      const stream = () => new Blob(["x"]).stream() as ReadableStream<Uint8Array>
      const post = { method: "POST", duplex: "half" }
      yield* Effect.promise(() => fetch(Stage.API, { ...post, body: stream() } as RequestInit))
      yield* Effect.promise(() => fetch(Stage.API, { ...post, body: stream(), credentials: "include" } as RequestInit))
      yield* Effect.promise(() => fetch(Stage.API, { ...post, body: "x" } as RequestInit))
      const body = Stream.fromReadableStream(stream, (error) => error)
      yield* bearer.execute(HttpClientRequest.bodyStream(HttpClientRequest.post(Stage.API), body))
      yield* bearer.execute(HttpClientRequest.bodyText(HttpClientRequest.post(Stage.API), "x"))
      assert.deepStrictEqual(seen, ["omit", "include", undefined, "omit", undefined])
    }))

  it.scoped("uses the global fetch of the moment, and keeps its answer as it is", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const fetch = yield* use(BearerFetch.make({ tenant }))
      const answer = new Response("ok")
      const { fetch: before } = globalThis
      globalThis.fetch = async () => answer
      const response = yield* Effect.ensuring(
        Effect.promise(() => fetch(Stage.API)),
        Effect.sync(() => void (globalThis.fetch = before))
      )
      assert.strictEqual(response, answer)
    }))

  it.scoped("lets go of the body of a rejected answer, and never of the one that it hands out", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const cancelled: Array<string> = []
      let count = 0
      const fetch = yield* use(BearerFetch.make({
        tenant,
        fetch: async () => {
          const name = `answer ${++count}`
          return new Response(new ReadableStream({ cancel: () => void cancelled.push(name) }), { status: 401 })
        }
      }))
      const response = yield* Effect.promise(() => fetch(Stage.API))
      assert.deepStrictEqual(cancelled, ["answer 1"])
      yield* Effect.promise(async () => response.body?.cancel())
      assert.deepStrictEqual(cancelled, ["answer 1", "answer 2"])
    }))

  it.scoped("puts no listener of its own on a signal that many requests share", () =>
    Effect.gen(function*() {
      const { fetch } = yield* made(Stage.answering(200))
      const { signal } = new AbortController()
      let listeners = 0
      signal.addEventListener = () => void listeners++
      yield* Effect.promise(() => Promise.all(Array.from({ length: 20 }, () => fetch(Stage.API, { signal }))))
      assert.strictEqual(listeners, 0)
    }))
})
