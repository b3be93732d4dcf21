import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Discovery from "@lockstep/oauth/Discovery"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as Behaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { credential, layer, layerNetwork, redeem, tenant, verdict } from "./network.js"

type Metadata = NonNullable<ScriptedServer.ScriptedServerOptions["metadata"]>

const OAUTH = "/.well-known/oauth-authorization-server"
const OIDC = "/.well-known/openid-configuration"
const absent = Behaviour.json(404, { error: "not_found" })

/** Asks a server whose documents are given; an issuer below a path when `path` is. */
const discover = (metadata: Metadata, path = "") =>
  Effect.gen(function*() {
    const server = yield* ScriptedServer.make({ metadata })
    const network = yield* RoundTripper
    const discovery = yield* Discovery.make
    const ask = Effect.flatMap(Effect.orDie(network.load), (roundTripper) =>
      discovery.metadata({ roundTripper, tenant, issuer: `${server.url}${path}` }))
    return { server, ask }
  })

const pathsOf = (server: ScriptedServer.ScriptedServer) => server.requests.map(({ path }) => path)

describe("discovery", () => {
  it.scoped("asks as RFC 8414 says, and once an hour", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* discover((_, document) => Behaviour.json(200, document))
      assert.strictEqual((yield* ask).token_endpoint, server.tokenEndpoint)
      yield* ask
      deepStrictEqual(pathsOf(server), [OAUTH])
      yield* TestClock.adjust("61 minutes")
      yield* ask
      deepStrictEqual(pathsOf(server), [OAUTH, OAUTH])
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("then asks as OpenID Connect says", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* discover((path, document) =>
        path === OIDC ? Behaviour.json(200, document) : absent
      )
      assert.strictEqual((yield* ask).token_endpoint, server.tokenEndpoint)
      deepStrictEqual(pathsOf(server), [OAUTH, OIDC])
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("puts the path of an issuer where each standard wants it", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* discover((path, document) =>
        path === `/a/b${OIDC}`
          ? Behaviour.json(200, { ...document, issuer: `${String(document["issuer"])}/a/b` })
          : absent, "/a/b")
      yield* ask
      deepStrictEqual(pathsOf(server), [`${OAUTH}/a/b`, `${OIDC}/a/b`, `/a/b${OIDC}`])
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("takes the document of OpenID Connect from where RFC 8414 puts its own", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* discover((path, document) =>
        path === `${OIDC}/a/b`
          ? Behaviour.json(200, { ...document, issuer: `${String(document["issuer"])}/a/b` })
          : absent, "/a/b")
      yield* ask
      deepStrictEqual(pathsOf(server), [`${OAUTH}/a/b`, `${OIDC}/a/b`])
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("takes the slash of an issuer without a path for nothing, whichever of the two wrote it", () =>
    Effect.gen(function*() {
      for (const slash of ["", "/"]) {
        const { server } = yield* discover((_, document) =>
          Behaviour.json(200, { ...document, issuer: `${String(document["issuer"])}${slash}` })
        )
        const network = yield* RoundTripper
        const discovery = yield* Discovery.make
        const roundTripper = yield* Effect.orDie(network.load)
        for (const asked of [server.url, `${server.url}/`, server.url]) {
          const found = yield* discovery.metadata({ roundTripper, tenant, issuer: asked, isExact: true })
          assert.strictEqual(found.issuer, `${server.url}${slash}`)
        }
      }
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("goes on where a guessed address is answered with an error of a gateway", () =>
    Effect.gen(function*() {
      for (const status of [500, 502, 503]) {
        const { ask, server } = yield* discover((path, document) =>
          path === OIDC ? Behaviour.json(200, document) : Behaviour.json(status, {})
        )
        assert.strictEqual((yield* ask).token_endpoint, server.tokenEndpoint)
        deepStrictEqual(pathsOf(server), [OAUTH, OIDC])
      }
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("tells the error of a gateway where no other address has a document", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* discover((path) => path === OAUTH ? Behaviour.json(502, {}) : absent)
      const error = yield* Effect.flip(ask)
      assert.strictEqual(`${error.reason} ${error.detail}`, "ServerError discovery: HTTP 502")
      deepStrictEqual(pathsOf(server), [OAUTH, OIDC])
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("believes a document of another issuer only where that was allowed, and keeps it for no other login", () =>
    Effect.gen(function*() {
      const { server } = yield* discover((_, document) =>
        Behaviour.json(200, { ...document, issuer: "https://other.example" })
      )
      const network = yield* RoundTripper
      const discovery = yield* Discovery.make
      const roundTripper = yield* Effect.orDie(network.load)
      const ask = { roundTripper, tenant, issuer: server.url }
      const allowed = yield* discovery.metadata({ ...ask, isExact: true, isAnyIssuer: true })
      assert.strictEqual(allowed.token_endpoint, server.tokenEndpoint)
      assert.strictEqual((yield* Effect.flip(discovery.metadata(ask))).reason, "Protocol")
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("takes the slash of an issuer with a path for another one where the very one was asked for", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make({
        metadata: (_, document) => Behaviour.json(200, { ...document, issuer: `${String(document["issuer"])}/a/` })
      })
      const network = yield* RoundTripper
      const discovery = yield* Discovery.make
      const roundTripper = yield* Effect.orDie(network.load)
      const ask = (issuer: string, isExact: boolean) => discovery.metadata({ roundTripper, tenant, issuer, isExact })
      yield* ask(`${server.url}/a/`, true)
      assert.strictEqual(
        (yield* Effect.flip(ask(`${server.url}/a`, true))).detail,
        "the discovery document names another issuer: they differ in the slash at the end"
      )
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("passes over a page, and believes a document that is mislabelled", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* discover((path, document) =>
        path === OAUTH
          ? { ...absent, status: 200, body: "<!doctype html>", headers: { "content-type": "text/html" } }
          : { ...Behaviour.json(200, document), headers: { "content-type": "text/plain" } }
      )
      assert.strictEqual((yield* ask).token_endpoint, server.tokenEndpoint)
    }).pipe(Effect.provide(layerNetwork)))

  const failures: ReadonlyArray<[string, Metadata, string]> = [
    [
      "another issuer",
      (_, document) => Behaviour.json(200, { ...document, issuer: "https://evil.example" }),
      "ProviderRejected Protocol the discovery document names another issuer"
    ],
    ["no document", () => absent, "ProviderRejected Protocol the issuer has no discovery document"],
    [
      "a redirect",
      () => ({ status: 302, headers: { location: "https://evil.example" }, body: "", ending: "Whole" }),
      "ProviderRejected Protocol the issuer has no discovery document"
    ],
    ["a 503", () => Behaviour.json(503, {}), "ProviderUnavailable ServerError discovery: HTTP 503"],
    ["a 429", () => Behaviour.json(429, {}), "ProviderUnavailable RateLimited discovery: HTTP 429"],
    [
      "a document cut short",
      (_, document) => ({ ...Behaviour.json(200, document), ending: "Cut" }),
      "ProviderUnavailable Transport discovery: HTTP 200, cut short"
    ]
  ]

  it.effect.each(failures)("fails on %s", ([, metadata, expected]) =>
    Effect.gen(function*() {
      const { ask } = yield* discover(metadata)
      const error = yield* Effect.flip(ask)
      assert.strictEqual(`${error._tag} ${error.reason} ${error.detail}`, expected)
    }).pipe(Effect.scoped, Effect.provide(layerNetwork)))

  it.scoped("passes on how long a server wants to be left alone", () =>
    Effect.gen(function*() {
      const { ask } = yield* discover(() => Behaviour.json(429, {}, { "retry-after": "9" }))
      const error = yield* Effect.flip(ask)
      assert.strictEqual(error._tag === "ProviderUnavailable" && error.retryAfter, 9_000)
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("gives up on a server that stays silent", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const { ask } = yield* discover(() => {
        Deferred.unsafeDone(arrived, Effect.void)
        return "Silence"
      })
      const asking = yield* Effect.fork(Effect.flip(ask))
      yield* Deferred.await(arrived)
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(asking)
      assert.strictEqual(error._tag, "ProviderUnavailable")
      assert.strictEqual(error.detail, "discovery was not answered in time")
    }).pipe(Effect.provide(layerNetwork)))

  it.scoped("that failed is tried again", () =>
    Effect.gen(function*() {
      let calls = 0
      const { ask } = yield* discover((_, document) => Behaviour.json(++calls > 2 ? 200 : 503, document))
      yield* Effect.flip(ask)
      yield* ask
    }).pipe(Effect.provide(layerNetwork)))
})

describe("a record without a token endpoint", () => {
  it.scoped("is refreshed where its issuer says", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const answer = yield* redeem(credential(server, server.issue(), {
        tokenEndpoint: Option.none(),
        issuer: Option.some(server.url)
      }))
      assert.strictEqual(verdict(answer), "Granted")
      deepStrictEqual(pathsOf(server), [OAUTH, "/token"])
    }).pipe(Effect.provide(layer)))

  it.scoped("of a vendor, but with another issuer, is not sent to the vendor", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const answer = yield* redeem(credential(server, server.issue(), {
        vendor: Option.some("codex"),
        tokenEndpoint: Option.none(),
        issuer: Option.some(server.url)
      }))
      assert.strictEqual(verdict(answer), "Granted")
    }).pipe(Effect.provide(layer)))
})
