import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Redirect from "../src/internal/redirect.js"
import * as Stage from "./bearerStage.js"

const { tenant } = MemoryMachine
const TOKEN = Stage.bearer("lockstep-at-0")
const ELSEWHERE = "https://elsewhere.example"

/** Redirects one path to an address; everything else is answered, with any token. */
const redirecting = (status: number, location: string): Stage.Answer => (arrived) =>
  new URL(arrived.url).pathname === "/from"
    ? Stage.answering(status, { location })(arrived)
    : Stage.answering(200, {}, "there")(arrived)

const seen = (api: Stage.Server) =>
  api.arrivals.map(({ authorization, method, url }) => [method, url, authorization ?? "no token"])

describe.each(Stage.KINDS)("%s", (_name, make) => {
  it.scoped("follows a redirect inside of the origin with the token", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(redirecting(302, "/to?a=1"))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual(yield* Effect.flatMap(call(`${Stage.API}/from`), ({ text }) => text), "there")
      assert.deepStrictEqual(seen(api), [["GET", `${Stage.API}/from`, TOKEN], ["GET", `${Stage.API}/to?a=1`, TOKEN]])
    }))

  it.scoped.each([`${ELSEWHERE}/to`, "https://api.example:8443/to", "http://api.example/to", "//elsewhere.example/to"])(
    "follows a redirect to %s without the token",
    (location) =>
      Effect.gen(function*() {
        const { use } = yield* Stage.login()
        const api = Stage.server(redirecting(302, location))
        const call = yield* use(make(api, { tenant, origins: [Stage.API, ELSEWHERE] }))
        const own = { cookie: "a=1", "proxy-authorization": "x", "x-own": "1" }
        assert.strictEqual((yield* call(`${Stage.API}/from`, { headers: own })).status, 200)
        assert.deepStrictEqual(seen(api).map(([, , token]) => token), [TOKEN, "no token"])
        const { cookie, "proxy-authorization": proxy, "x-own": rest } = api.arrivals[1]!.headers
        assert.deepStrictEqual([cookie, proxy, rest], [undefined, undefined, "1"])
      })
  )

  it.scoped("does not take the token up again when another origin sends it back", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server((arrived) =>
        arrived.url.startsWith(ELSEWHERE)
          ? Stage.answering(302, { location: `${Stage.API}/to` })(arrived)
          : redirecting(302, ELSEWHERE)(arrived)
      )
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(`${Stage.API}/from`)).status, 200)
      assert.deepStrictEqual(seen(api).map(([, , token]) => token), [TOKEN, "no token", "no token"])
    }))

  it.scoped("hands out the 401 of another origin: no token was rejected there", () =>
    Effect.gen(function*() {
      const { machine, use } = yield* Stage.login()
      const api = Stage.server((arrived) =>
        arrived.url.startsWith(ELSEWHERE) ? Stage.answering(401)(arrived) : redirecting(302, ELSEWHERE)(arrived)
      )
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(`${Stage.API}/from`)).status, 401)
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("recovers behind a redirect and sends again what was redirected", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server((arrived) =>
        arrived.url.endsWith("/from") ? redirecting(307, "/to")(arrived) : Stage.accepting("lockstep-at-1")(arrived)
      )
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(`${Stage.API}/from`, { method: "POST", body: "b" })).status, 200)
      assert.deepStrictEqual(seen(api), [
        ["POST", `${Stage.API}/from`, TOKEN],
        ["POST", `${Stage.API}/to`, TOKEN],
        ["POST", `${Stage.API}/to`, Stage.bearer("lockstep-at-1")]
      ])
      assert.deepStrictEqual(api.arrivals.map(({ body }) => body), ["b", "b", "b"])
    }))

  it.scoped.each(
    [[301, "GET", undefined], [302, "GET", undefined], [303, "GET", undefined], [307, "POST", "b"]] as const
  )(
    "a POST that is answered %d goes on as %s",
    ([status, method, body]) =>
      Effect.gen(function*() {
        const { use } = yield* Stage.login()
        const api = Stage.server(redirecting(status, "/to"))
        const call = yield* use(make(api, { tenant }))
        yield* call(`${Stage.API}/from`, { method: "POST", body: "b", headers: { "content-type": "text/x" } })
        const arrived = api.arrivals[1]!
        assert.deepStrictEqual([arrived.method, arrived.body ?? undefined], [method, body])
        assert.strictEqual(arrived.headers["content-type"], body === undefined ? undefined : "text/x")
      })
  )

  it.scoped("a body that would go to another origin goes nowhere: the redirect is handed out", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(redirecting(308, `${ELSEWHERE}/to`))
      const call = yield* use(make(api, { tenant }))
      const answer = yield* call(`${Stage.API}/from`, { method: "POST", body: "b" })
      assert.deepStrictEqual([answer.status, answer.headers["location"]], [308, `${ELSEWHERE}/to`])
      assert.strictEqual(api.arrivals.length, 1)
    }))

  it.scoped("a circle ends after 20 redirects, and with the option earlier", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.answering(302, { location: "/from" }))
      const call = yield* use(make(api, { tenant }))
      assert.strictEqual((yield* call(`${Stage.API}/from`)).status, 302)
      assert.strictEqual(api.arrivals.length, 21)
      const none = yield* use(make(api, { tenant, maxRedirects: 0 }))
      assert.strictEqual((yield* none(`${Stage.API}/from`)).status, 302)
      assert.strictEqual(api.arrivals.length, 22)
    }))
})

describe("what follows by itself", () => {
  it.scoped("the HttpClient on fetch is told not to, and keeps the other options that are provided with it", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const inits: Array<RequestInit> = []
      const fetch = async (_url: unknown, init: RequestInit = {}) => {
        inits.push(init)
        return new Response("ok")
      }
      const client = yield* Effect.provide(
        HttpClient.HttpClient,
        Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, fetch as typeof globalThis.fetch))
      )
      const bearer = (yield* use(BearerClient.make({ tenant })))(client)
      yield* Effect.provideService(bearer.get(Stage.API), FetchHttpClient.RequestInit, { credentials: "include" })
      assert.deepStrictEqual(inits.map(({ credentials, redirect }) => [credentials, redirect]), [["include", "manual"]])
    }))

  it.scoped("fetch hands a redirect out, or refuses it, where the caller says so", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const modes: Array<string | undefined> = []
      const fetch = yield* use(BearerFetch.make({
        tenant,
        fetch: async (_url, init) => {
          modes.push(init?.redirect)
          return new Response(null, { status: 302, headers: { location: "/to" } })
        }
      }))
      const manual = yield* Effect.promise(() => fetch(Stage.API, { redirect: "manual" }))
      yield* Effect.promise(() => fetch(new Request(Stage.API, { redirect: "error" })))
      assert.deepStrictEqual([manual.status, modes], [302, ["manual", "error"]])
    }))
})

describe("the rules of redirects", () => {
  it("never lead out of http, keep no body for another origin, and tell whether the origin is left", () => {
    const from = { method: "POST", url: new URL("https://api.example/a#top") }
    const address = FastCheck.oneof(
      FastCheck.webUrl({ validSchemes: ["http", "https", "ftp"] }),
      FastCheck.constantFrom(
        "/b",
        "b?c",
        "//x.example",
        "javascript:1",
        "file:///etc",
        "https://u:p@api.example",
        "",
        "#x"
      ),
      FastCheck.string()
    )
    FastCheck.assert(FastCheck.property(
      address,
      FastCheck.constantFrom(200, 300, 301, 302, 303, 304, 307, 308, 401),
      FastCheck.boolean(),
      FastCheck.boolean(),
      (location, status, isEmpty, isReplayable) => {
        const next = Redirect.next(from, { status, location }, { isEmpty, isReplayable })
        if (next === undefined) return
        assert.include([301, 302, 303, 307, 308], status)
        assert.match(next.url.protocol, /^https?:$/)
        assert.deepStrictEqual([next.url.username, next.url.password], ["", ""])
        assert.strictEqual(next.crossesOrigin, next.url.origin !== "https://api.example")
        if (next.crossesOrigin && !isEmpty) assert.isTrue(next.dropsBody)
        if (!isEmpty && !isReplayable) assert.isTrue(next.dropsBody)
      }
    ))
  })
})

describe("a client inside that follows redirects by itself", () => {
  it.scoped("is noticed at the first redirect to another origin", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(redirecting(302, ELSEWHERE))
      const client = (yield* use(BearerClient.make({ tenant })))(HttpClient.followRedirects(api.client))
      assert.strictEqual(yield* Stage.outcome(client.get(`${Stage.API}/from`)), "RequestRefused(OtherOrigin)")
    }))

  it.scoped("is harmless outside", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(redirecting(302, ELSEWHERE))
      const client = (yield* use(BearerClient.make({ tenant, maxRedirects: 0 })))(api.client)
      const following = HttpClient.followRedirects(client)
      assert.strictEqual(yield* Stage.outcome(following.get(`${Stage.API}/from`)), "RequestRefused(OtherOrigin)")
      assert.strictEqual(api.arrivals.length, 1)
    }))

  it.scoped("an address that a client inside completes is judged when it is complete", () =>
    Effect.gen(function*() {
      const { use } = yield* Stage.login()
      const api = Stage.server(Stage.accepting("lockstep-at-1"))
      let preprocessed = 0
      const inside = api.client.pipe(
        HttpClient.mapRequest((request) => {
          preprocessed++
          return HttpClientRequest.prependUrl(request, Stage.API)
        })
      )
      const client = (yield* use(BearerClient.make({ tenant })))(inside)
      assert.strictEqual(yield* Stage.outcome(client.get("/things")), 200)
      assert.deepStrictEqual(api.arrivals.map(({ url }) => url), [`${Stage.API}/things`, `${Stage.API}/things`])
      assert.isAbove(preprocessed, 0)
      const plain = (yield* use(BearerClient.make({ tenant })))(api.client)
      assert.strictEqual(yield* Stage.outcome(plain.get("/things")), "RequestError(InvalidUrl)")
    }))
})
