import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { PendingLogin } from "@lockstep/core/PendingLogins"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Stage from "./stage.js"

const { acme, answerTo, key, no, ok, plain, refusal, request, tokens } = Stage

const alice = { ...key, user: "discord:alice" }
const bob = { ...key, user: "discord:bob" }

/** The first step; answers with the address. */
const begun = (stage: Stage.Stage, wanted = request()) => Stage.begun(stage, wanted)

const complete = (stage: Stage.Stage, text: string, who = key) => stage.login.complete(who, Redacted.make(text))

const isPending = (stage: Stage.Stage, who = key) => Effect.map(stage.pending.get(who), Option.isSome)

const codeOf = (sent: Stage.Sent) => sent.params["code"]

describe("the first step", () => {
  it.effect("keeps all that the second needs, and takes no lock of the tenant", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(
        stage,
        request(acme, {
          clientId: Option.some("mine"),
          clientSecret: Option.some(Redacted.make("its-secret")),
          resource: Option.some("https://mcp.example/mcp"),
          replace: true
        })
      )
      const kept = Option.getOrThrow(yield* stage.pending.get(key))
      deepStrictEqual(
        [kept.vendor, kept.tokenEndpoint, kept.clientId, kept.scope, kept.resource, kept.redirectUri].map(
          Option.getOrNull
        ),
        [
          "acme",
          "https://acme.example/token",
          "mine",
          "openid offline_access",
          "https://mcp.example/mcp",
          url.searchParams.get("redirect_uri")
        ]
      )
      deepStrictEqual(
        [kept.clientSecret, kept.state, kept.nonce].map(plain),
        ["its-secret", url.searchParams.get("state"), url.searchParams.get("nonce")]
      )
      deepStrictEqual([kept.method, kept.replace, kept.createdAt], ["code", true, Stage.NOW / 1_000])
      assert.strictEqual(stage.lock.taken(), 0)
      assert.strictEqual(stage.network.requests.length, 0)
    }))

  it.effect("sends the answer to the vendor's page, a port of the vendor's, or one without an owner", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const redirect = { host: "localhost", ports: [1455, 1457], path: "/cb", page: Option.none() } as const
      const redirectUri = (wanted: Parameters<typeof begun>[1]) =>
        Effect.map(begun(stage, wanted), (url) => url.searchParams.get("redirect_uri") ?? "")
      const page = Option.some("https://acme.example/code")
      assert.strictEqual(
        yield* redirectUri(request({ ...acme, redirect: { ...redirect, page } })),
        "https://acme.example/code"
      )
      assert.strictEqual(yield* redirectUri(request({ ...acme, redirect })), "http://localhost:1455/cb")
      assert.strictEqual(
        yield* redirectUri(request({ ...acme, redirect: { ...redirect, page } }, { port: Option.some(8_080) })),
        "http://localhost:8080/cb"
      )
      const { port } = new URL(yield* redirectUri(request()))
      assert.isAtLeast(Number(port), 49_152)
    }))

  it.effect("is not there for a vendor whose answers cannot be carried over", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      assert.strictEqual(
        yield* refusal(stage.login.begin(request({ ...acme, methods: ["device"] }))),
        "LoginUnavailable MethodNotOffered"
      )
    }))
})

describe("the second step", () => {
  for (
    const [what, text] of [
      ["a bare code", () => "the-code"],
      ["code#state", (state: string) => `the-code#${state}`],
      ["a query", (state: string) => `?code=the-code&state=${state}`],
      ["the whole address", (state: string) => ` "http://127.0.0.1:50000/callback?state=${state}&amp;code=the-code" \n`]
    ] as const
  ) {
    it.effect(`takes ${what}`, () =>
      Effect.gen(function*() {
        const stage = yield* Stage.make()
        const url = yield* begun(stage)
        stage.network.server = () => ok(tokens())
        const result = yield* complete(stage, text(url.searchParams.get("state")!))
        deepStrictEqual([result.tenant, result.user, result.method], [key.tenant, key.user, "paste"])
        assert.strictEqual(codeOf(stage.network.requests[0]!), "the-code")
        assert.isFalse(yield* isPending(stage))
      }))
  }

  it.effect("gives each of two people an account of their own", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const urls = {
        alice: yield* begun(stage, request(acme, alice)),
        bob: yield* begun(stage, request(acme, { ...bob, replace: true }))
      }
      stage.network.server = ({ params }) => ok({ ...tokens(), access_token: `token-for-${params["code"]}` })

      assert.strictEqual(
        yield* refusal(complete(stage, answerTo(urls.alice, { code: "a" }), bob)),
        "LoginFailed StateMismatch"
      )
      assert.strictEqual(stage.network.requests.length, 0)
      yield* complete(stage, answerTo(urls.alice, { code: "a" }), alice)
      assert.strictEqual(plain((yield* stage.stored)!.accessToken), "token-for-a")
      assert.isTrue(yield* isPending(stage, bob))
      yield* complete(stage, answerTo(urls.bob, { code: "b" }), bob)
      assert.strictEqual(plain((yield* stage.stored)!.accessToken), "token-for-b")
    }))

  it.effect("refuses the state of another login, and leaves the attempt open", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage)
      for (
        const text of [
          "code=stolen&state=other",
          "stolen#other",
          `code=x&state=other&state=${url.searchParams.get("state")}`
        ]
      ) {
        assert.strictEqual(yield* refusal(complete(stage, text)), "LoginFailed StateMismatch")
      }
      assert.strictEqual(stage.network.requests.length, 0)
      assert.isTrue(yield* isPending(stage))
    }))

  it.effect("refuses what holds no code", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* begun(stage)
      for (const text of ["", " \n", "https://acme.example/welcome", "a#b#c", "code=a&code=b"]) {
        assert.strictEqual(yield* refusal(complete(stage, text)), "LoginFailed CodeUnreadable")
      }
      assert.isTrue(yield* isPending(stage))
    }))

  it.effect("refuses an answer that comes a second time", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage)
      stage.network.server = () => ok(tokens())
      yield* complete(stage, answerTo(url))
      assert.strictEqual(yield* refusal(complete(stage, answerTo(url))), "LoginFailed NotPending")
      assert.strictEqual(stage.network.requests.length, 1)
    }))

  it.effect("sends a code once, though two callers bring it at the same time", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage, request(acme, { replace: true }))
      const answer = yield* Deferred.make<Stage.Reply>()
      stage.network.server = () => Effect.runPromise(Deferred.await(answer))
      const first = yield* Effect.fork(complete(stage, answerTo(url)))
      yield* Queue.take(stage.network.arrivals)
      const second = yield* Effect.fork(refusal(complete(stage, answerTo(url))))
      yield* Queue.take(stage.lock.busy)
      yield* Deferred.succeed(answer, ok(tokens()))
      yield* Fiber.join(first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(second), "LoginFailed NotPending")
      assert.strictEqual(stage.network.requests.length, 1)
    }))

  it.effect("completes no attempt that was begun since", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage)
      stage.lock.seize(Stage.LOCK)
      const waiting = yield* Effect.fork(refusal(complete(stage, answerTo(url))))
      yield* Queue.take(stage.lock.busy)
      const newer = yield* begun(stage)
      yield* stage.lock.kill(Stage.LOCK)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(waiting), "LoginFailed NotPending")
      assert.strictEqual(stage.network.requests.length, 0)
      stage.network.server = () => ok(tokens())
      yield* complete(stage, answerTo(newer))
    }))

  it.effect("sends nothing without the lock, and the attempt stays", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage)
      stage.network.server = () => ok(tokens())
      stage.lock.seize(Stage.LOCK)
      const waiting = yield* Effect.fork(complete(stage, answerTo(url)))
      yield* Queue.take(stage.lock.busy)
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* refusal(Fiber.join(waiting)), "LockTimeout")
      assert.strictEqual(stage.network.requests.length, 0)
      yield* stage.lock.kill(Stage.LOCK)
      yield* complete(stage, answerTo(url))
    }))

  it.effect("leaves the attempt open where the server refuses the code", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage)
      stage.network.server = ({ params }) => params["code"] === "right" ? ok(tokens()) : no("invalid_grant")
      assert.strictEqual(yield* refusal(complete(stage, "wrong")), "LoginFailed CodeRefused")
      yield* complete(stage, answerTo(url, { code: "right" }))
    }))

  it.effect("is over where the person said no", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage)
      const state = url.searchParams.get("state")
      assert.strictEqual(
        yield* refusal(complete(stage, `error=access_denied&state=${state}`)),
        "LoginFailed Denied"
      )
      assert.strictEqual(yield* refusal(complete(stage, answerTo(url))), "LoginFailed NotPending")
    }))

  it.effect("says so when it comes too late", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const url = yield* begun(stage, request(acme, { timeout: Option.some(Stage.minute) }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* refusal(complete(stage, answerTo(url))), "LoginFailed Expired")
      const again = yield* begun(stage)
      yield* TestClock.adjust("15 minutes")
      assert.strictEqual(yield* refusal(complete(stage, answerTo(again))), "LoginFailed Expired")
      assert.strictEqual(stage.network.requests.length, 0)
    }))

  it.effect("says so where nothing was begun, or something else was", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      assert.strictEqual(yield* refusal(complete(stage, "code")), "LoginFailed NotPending")
      yield* stage.pending.put(key, PendingLogin.make({ method: "device", createdAt: Stage.NOW / 1_000 }))
      assert.strictEqual(yield* refusal(complete(stage, "code")), "LoginFailed NotPending")
      assert.isTrue(yield* stage.login.cancel(key))
      assert.isFalse(yield* stage.login.cancel(key))
    }))

  it.effect("replaces a live login only where one of the two steps said so", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      stage.network.server = () => ok(tokens())
      const urls = { alice: yield* begun(stage, request(acme, alice)), bob: yield* begun(stage, request(acme, bob)) }
      yield* complete(stage, answerTo(urls.alice), alice)
      assert.strictEqual(yield* refusal(complete(stage, answerTo(urls.bob), bob)), "CredentialExists")
      assert.strictEqual(stage.network.requests.length, 1)
      assert.isTrue(yield* isPending(stage, bob))
      yield* stage.login.complete(bob, Redacted.make(answerTo(urls.bob)), { replace: true })
    }))
})

describe("RFC 9207", () => {
  const ISSUER = "https://issuer.example"
  const metadata = (promise: boolean) => ({
    issuer: ISSUER,
    authorization_endpoint: `${ISSUER}/authorize`,
    token_endpoint: `${ISSUER}/token`,
    authorization_response_iss_parameter_supported: promise
  })
  const started = (promise: boolean) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      stage.network.server = ({ url }) => url.includes("well-known") ? ok(metadata(promise)) : ok(tokens())
      const vendor = { ...acme, authorizationEndpoint: Option.none(), issuer: Option.some(ISSUER) }
      return { stage, url: yield* begun(stage, request(vendor)) }
    })
  const sent = (stage: Stage.Stage) => stage.network.requests.filter(({ url }) => url.endsWith("/token")).length

  it.effect("refuses an answer, and an error, that names another server", () =>
    Effect.gen(function*() {
      const { stage, url } = yield* started(false)
      const state = url.searchParams.get("state")
      for (
        const query of [answerTo(url, { iss: "https://evil.example" }), `error=access_denied&state=${state}&iss=x`]
      ) {
        assert.strictEqual(yield* refusal(complete(stage, query)), "LoginFailed IssuerMismatch")
      }
      assert.strictEqual(sent(stage), 0)
      yield* complete(stage, answerTo(url, { iss: ISSUER }))
    }))

  it.effect("refuses one that names none where the server promised to, and asks no copied code for it", () =>
    Effect.gen(function*() {
      const { stage, url } = yield* started(true)
      assert.strictEqual(yield* refusal(complete(stage, answerTo(url))), "LoginFailed IssuerMismatch")
      assert.strictEqual(sent(stage), 0)
      yield* complete(stage, `the-code#${url.searchParams.get("state")}`)
    }))
})
