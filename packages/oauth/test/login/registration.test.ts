/**
 * Clients that register themselves at servers as they are: that forget, bind a client to scopes, want a certain name, and
 * say what is wrong to the person alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import { Change } from "@lockstep/core/WritableStore"
import type { LoginRequest } from "@lockstep/oauth/Login"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Stage from "./stage.js"

const { answerTo, clientOf, key, no, ok, refusal, request, tokens } = Stage

const ISSUER = "https://id.example"

const metadata = Stage.metadataOf(ISSUER)

const wanted = (rest: Partial<LoginRequest> = {}): LoginRequest =>
  request(mcp, { issuer: Option.some(ISSUER), resource: Option.some("https://mcp.example"), replace: true, ...rest })

interface Registration {
  readonly client_name: string
  readonly scope?: string
  readonly redirect_uris: ReadonlyArray<string>
}

/** A server that knows the clients which it has not forgotten, and the scopes that each may ask for. */
const serving = (extra: Record<string, unknown> = {}) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make()
    const known = new Map<string, Registration>()
    const server = {
      known,
      registrations: [] as Array<Registration>,
      looks: [] as Array<URL>,
      /** Instead of a client. */
      refuses: (() => undefined) as (registration: Registration) => Stage.Reply | undefined,
      answers: {} as Record<string, unknown>,
      page: (url: URL): Stage.Reply => {
        const client = known.get(url.searchParams.get("client_id") ?? "")
        if (client === undefined) return { status: 400, body: "<h1>Unknown client</h1>" }
        const scopes = url.searchParams.get("scope")?.split(" ") ?? []
        const isAllowed = client.scope === undefined || scopes.every((one) => client.scope!.split(" ").includes(one))
        const back = `${url.searchParams.get("redirect_uri")}?error=invalid_scope&state=${
          url.searchParams.get("state")
        }`
        return isAllowed ? ok("<h1>Log in</h1>") : { status: 302, body: "", headers: { location: back } }
      },
      token: (): Stage.Reply => ok(tokens())
    }
    stage.network.server = (sent) => {
      const url = new URL(sent.url)
      if (url.pathname.startsWith("/.well-known/")) return ok({ ...metadata, ...extra })
      if (url.pathname === "/register") {
        const registration = JSON.parse(sent.body) as Registration
        server.registrations.push(registration)
        const refusal = server.refuses(registration)
        if (refusal !== undefined) return refusal
        const client_id = `dyn-${server.registrations.length}`
        known.set(client_id, registration)
        return { status: 201, body: { client_id, token_endpoint_auth_method: "none", ...server.answers } }
      }
      if (url.pathname === "/authorize") {
        server.looks.push(url)
        return server.page(url)
      }
      return server.token()
    }
    return { stage, server }
  })

const begun = (stage: Stage.Stage, login = wanted()) => Stage.begun(stage, login)

const loggedIn = (stage: Stage.Stage, login = wanted()) =>
  Effect.gen(function*() {
    const url = yield* begun(stage, login)
    yield* stage.login.complete({ ...key, tenant: login.tenant }, Redacted.make(answerTo(url)))
    return url
  })

/** So long that a login is no proof any more that the server knows the client. */
const aWhile = TestClock.adjust("1 minute")

const pendingOf = (stage: Stage.Stage): Effect.Effect<PendingLogin> =>
  Effect.map(Effect.orDie(stage.pending.get(key)), Option.getOrThrow)

describe("a registration that the server has forgotten", () => {
  it.effect("is seen before a person is sent there, and another one takes its place", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      assert.strictEqual(clientOf(yield* loggedIn(stage)), "dyn-1")
      // A client that was registered just now is known.
      assert.lengthOf(server.looks, 0)
      yield* aWhile
      server.known.clear()
      const url = yield* begun(stage)
      assert.strictEqual(clientOf(url), "dyn-2")
      assert.deepStrictEqual(server.looks.map(clientOf), ["dyn-1"])
      yield* stage.login.complete(key, Redacted.make(answerTo(url)))
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-2")
      assert.lengthOf(server.registrations, 2)
    }))

  it.effect("is seen also where the record names it, and an attempt with another one was given up", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage)
      yield* aWhile
      server.known.clear()
      // As `lockstep login TENANT` repeats it.
      const again = wanted({ clientId: Option.some("dyn-1") })
      assert.strictEqual(clientOf(yield* begun(stage, again)), "dyn-2")
      yield* stage.login.cancel(key)
      server.known.delete("dyn-2")
      assert.strictEqual(clientOf(yield* begun(stage, again)), "dyn-3")
    }))

  it.effect("is not looked for where a person brought the client, and a person is warned in words", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      assert.strictEqual(clientOf(yield* begun(stage, wanted({ clientId: Option.some("mine") }))), "mine")
      assert.lengthOf(server.registrations, 0)
      assert.lengthOf(server.looks, 1)
    }))

  it.effect("is not taken for one where the server cannot be asked, wants a person, or answers otherwise", () =>
    Effect.gen(function*() {
      const replies: ReadonlyArray<(url: URL) => Stage.Reply> = [
        () => no("server_error", 500),
        () => ({ status: 403, body: "a challenge" }),
        () => ({ status: 302, body: "", headers: { location: "https://id.example/login" } }),
        (url) => ({
          status: 302,
          body: "",
          headers: { location: `${url.searchParams.get("redirect_uri")}?error=login_required` }
        }),
        (url) => ({ status: 302, body: "", headers: { location: `${url.searchParams.get("redirect_uri")}?code=c` } }),
        () => ({ status: 302, body: "", headers: { location: "https://evil.example/callback?error=invalid_client" } })
      ]
      for (const page of replies) {
        const { server, stage } = yield* serving()
        yield* loggedIn(stage)
        yield* aWhile
        server.page = page
        assert.strictEqual(clientOf(yield* begun(stage)), "dyn-1")
        assert.lengthOf(server.looks, 1)
      }
    }))

  it.effect("is not looked for right after a login with it, and is a minute later", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage, wanted({ scopes: ["read"] }))
      for (let i = 0; i < 3; i++) yield* loggedIn(stage, wanted({ scopes: ["read"] }))
      assert.lengthOf(server.registrations, 1)
      assert.lengthOf(server.looks, 0)
      yield* aWhile
      yield* begun(stage, wanted({ scopes: ["read"] }))
      assert.deepStrictEqual(server.looks.map(clientOf), ["dyn-1"])
    }))

  it.effect("is looked for where the login was one at another server, by another client or in the future", () =>
    Effect.gen(function*() {
      const others: ReadonlyArray<Partial<Credential>> = [
        { issuer: Option.some("https://other.example") },
        { clientId: Option.some("another") },
        { obtainedAt: Option.some(Stage.NOW / 1_000 + 1_000) },
        { obtainedAt: Option.none() }
      ]
      for (const members of others) {
        const { server, stage } = yield* serving()
        yield* loggedIn(stage)
        yield* stage.store.modify(Stage.tenant, (stored) => {
          const { credential } = Option.getOrThrow(stored)
          return Change.Put({
            credential: Credential.make({ ...credential, ...members, generation: credential.generation + 1 }),
            value: () => undefined
          })
        })
        yield* begun(stage, wanted({ clientId: Option.some("dyn-1") }))
        assert.deepStrictEqual(server.looks.map(clientOf), ["dyn-1"])
      }
    }))

  it.effect("is waited for three seconds at most", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage)
      yield* aWhile
      const answer = stage.network.server
      stage.network.server = (sent) =>
        sent.url.includes("/authorize") ? new Promise<Stage.Reply>(() => {}) : answer(sent)
      const fiber = yield* Effect.fork(begun(stage))
      yield* Effect.repeat(stage.network.arrivals.take, { until: ({ url }) => url.includes("/authorize") })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(clientOf(yield* Fiber.join(fiber)), "dyn-1")
      assert.lengthOf(server.registrations, 1)
    }))
})

describe("a registration that led to no login", () => {
  it.effect("is shared while its first attempt can be finished, and dropped after that", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-1")
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-1")
      yield* TestClock.adjust("16 minutes")
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-2")
    }))

  it.effect("is dropped with the attempt that is cancelled", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      yield* begun(stage)
      assert.isTrue(yield* stage.login.cancel(key))
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-2")
    }))

  it.effect("is dropped with the login in a browser that was not finished", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      const visitor = yield* Stage.person
      const fiber = yield* Effect.fork(stage.login.browser(wanted(), visitor.self))
      assert.strictEqual(clientOf(yield* visitor.url), "dyn-1")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Option.getOrThrow(yield* stage.registrations.get(ISSUER)).ended)
    }))

  it.effect("stays where it has led to one", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      yield* loggedIn(stage)
      yield* begun(stage)
      yield* stage.login.cancel(key)
      yield* TestClock.adjust("16 minutes")
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-1")
    }))
})

describe("a client", () => {
  it.effect("is registered anew where a person says so, or names it otherwise", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage)
      const again = { clientId: Option.some("dyn-1"), newClient: true }
      assert.strictEqual(clientOf(yield* loggedIn(stage, wanted(again))), "dyn-2")
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-2")
      assert.strictEqual(clientOf(yield* begun(stage, wanted({ clientName: "Figma's Friend" }))), "dyn-3")
      assert.deepStrictEqual(server.registrations.map(({ client_name }) => client_name), [
        "Lockstep",
        "Lockstep",
        "Figma's Friend"
      ])
    }))

  it.effect("is registered for the scopes that will be asked for, and anew with those of others who share it", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage, wanted({ scopes: ["read"] }))
      yield* begun(stage, wanted({ scopes: ["read"] }))
      yield* loggedIn(stage, wanted({ scopes: ["write"] }))
      yield* begun(stage, wanted({ scopes: ["read"] }))
      assert.deepStrictEqual(server.registrations.map(({ scope }) => scope), ["read", "write read"])
    }))

  it.effect("is registered without scopes where the server takes none here", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      server.refuses = ({ scope }) => scope === undefined ? undefined : no("invalid_client_metadata")
      assert.strictEqual(clientOf(yield* loggedIn(stage, wanted({ scopes: ["read"] }))), "dyn-2")
      assert.deepStrictEqual(server.registrations.map(({ scope }) => scope), ["read", undefined])
      assert.strictEqual(clientOf(yield* begun(stage, wanted({ scopes: ["write"] }))), "dyn-2")
    }))

  it.effect("that may not ask for a scope is registered anew, before a person goes there", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      server.refuses = ({ scope }) => scope === undefined ? undefined : no("invalid_client_metadata")
      yield* loggedIn(stage)
      // The server has bound the client to default scopes that it did not tell.
      server.known.set("dyn-1", { client_name: "", redirect_uris: [], scope: "default" })
      server.refuses = () => undefined
      assert.strictEqual(clientOf(yield* begun(stage, wanted({ scopes: ["write"] }))), "dyn-2")
      assert.strictEqual(server.registrations.at(-1)!.scope, "write")
    }))

  it.effect("that is told about its scope only in the answer is registered anew next time", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving()
      yield* loggedIn(stage)
      const url = yield* begun(stage)
      const answer = Redacted.make(answerTo(url, { error: "invalid_scope", code: "" }).replace("code=&", ""))
      assert.strictEqual(yield* refusal(stage.login.complete(key, answer)), "ProviderRejected Protocol")
      assert.strictEqual(clientOf(yield* begun(stage)), "dyn-2")
      assert.lengthOf(server.registrations, 2)
    }))

  it.effect("shows the secret that it was given, where the server knows no way without one", () =>
    Effect.gen(function*() {
      const { server, stage } = yield* serving({ token_endpoint_auth_methods_supported: ["client_secret_post"] })
      server.answers = { client_secret: "its-secret", token_endpoint_auth_method: "none" }
      yield* loggedIn(stage)
      assert.strictEqual(stage.network.requests.at(-1)!.params["client_secret"], "its-secret")
      const silent = yield* serving()
      silent.server.answers = server.answers
      yield* loggedIn(silent.stage)
      assert.isUndefined(silent.stage.network.requests.at(-1)!.params["client_secret"])
    }))
})

describe("the authorization request", () => {
  it.effect("holds what a person adds, and the attempt and the record keep it", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      const url = yield* begun(stage, wanted({ authorizeParameters: { access_type: "offline", hd: "a b" } }))
      assert.strictEqual(url.searchParams.get("access_type"), "offline")
      assert.include(url.search, "hd=a%20b")
      deepStrictEqual((yield* pendingOf(stage)).authorizeParameters, Option.some("access_type=offline&hd=a+b"))
      yield* stage.login.complete(key, Redacted.make(answerTo(url)))
      deepStrictEqual((yield* stage.stored)!.authorizeParameters, Option.some("access_type=offline&hd=a+b"))
    }))

  it.effect("asks providers for a refresh token in their own words, unless a person says otherwise", () =>
    Effect.gen(function*() {
      const at = (authorization_endpoint: string, rest: Partial<LoginRequest> = {}) =>
        Effect.gen(function*() {
          const { stage } = yield* serving({ authorization_endpoint })
          const { searchParams } = yield* begun(stage, wanted(rest))
          return ["access_type", "prompt", "token_access_type", "duration"].map((name) => searchParams.get(name))
        })
      const google = "https://accounts.google.com/o/oauth2/v2/auth"
      deepStrictEqual(yield* at(google), ["offline", "consent", null, null])
      deepStrictEqual(yield* at(google, { authorizeParameters: { access_type: "online" } }), [
        "online",
        "consent",
        null,
        null
      ])
      deepStrictEqual(yield* at("https://www.dropbox.com/oauth2/authorize"), [null, null, "offline", null])
      deepStrictEqual(yield* at(`${ISSUER}/authorize`), [null, null, null, null])
    }))

  it.effect("and every request after it leave `resource` out where a person says so, and the token stays bound", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving()
      const url = yield* loggedIn(stage, wanted({ omitResource: true }))
      assert.isNull(url.searchParams.get("resource"))
      const record = (yield* stage.stored)!
      deepStrictEqual(record.resource, Option.some("https://mcp.example"))
      yield* Effect.flatMap(stage.endpoint.prepare(key.tenant, record), ({ redeem }) => redeem(Duration.seconds(15)))
      for (const { params, url: sent } of stage.network.requests) {
        if (sent.endsWith("/token")) assert.notProperty(params, "resource")
      }
    }))
})

describe("a server without a promise of PKCE", () => {
  it.effect("is logged in to as any OAuth server, which the advice says in a command", () =>
    Effect.gen(function*() {
      const { stage } = yield* serving({ code_challenge_methods_supported: undefined })
      const error = yield* Effect.flip(stage.login.begin(wanted()))
      assert.include(
        error.advice,
        "`lockstep login --issuer https://id.example --resource https://mcp.example --tenant acme`"
      )
      yield* begun(stage, { ...wanted(), vendor: OAuthVendor.generic })
      const plain = yield* serving({ code_challenge_methods_supported: ["plain"] })
      assert.notInclude((yield* Effect.flip(plain.stage.login.begin(wanted()))).advice, "--issuer")
    }))
})
