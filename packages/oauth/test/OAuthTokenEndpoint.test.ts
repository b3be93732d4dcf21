import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import { RedeemAnswer, TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import { codex } from "@lockstep/oauth/vendors/Codex"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import { BODY_LIMIT } from "@lockstep/oauth/WireExchange"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as RawServer from "@lockstep/testkit/servers/RawServer"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Behaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Net from "node:net"
import { inspect } from "node:util"
import { credential, layer, limit, redeem, tenant, verdict } from "./network.js"

const granted = (answer: RedeemAnswer) =>
  answer._tag === "Granted" ? answer.grant : assert.fail(`${answer._tag}: ${answer.detail}`)

const refreshTokenOf = (answer: RedeemAnswer) =>
  Option.getOrNull(Option.map(granted(answer).refreshToken, Redacted.value))

/** A port without a listener any more. */
const closedPort: Effect.Effect<number> = Effect.async((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address() as Net.AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

describe("a request", () => {
  it.scoped("holds what RFC 6749 asks for, as a form, and no scope", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const tokens = server.issue()
      yield* redeem(credential(server, tokens, { scope: Option.some("a b") }))
      const [request] = server.requests
      deepStrictEqual(request?.params, {
        grant_type: "refresh_token",
        refresh_token: tokens.refreshToken,
        client_id: "client"
      })
      assert.match(request?.contentType ?? "", /^application\/x-www-form-urlencoded/)
      assert.strictEqual(request?.headers["accept"], "application/json")
      assert.strictEqual(request?.headers["user-agent"], "lockstep")
      assert.isString(request?.headers["content-length"])
      assert.isUndefined(request?.headers["transfer-encoding"])
    }).pipe(Effect.provide(layer)))

  it.scoped("repeats the resource of RFC 8707 and what the vendor adds", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* redeem(credential(server, server.issue(), {
        vendor: Option.some("with-extras"),
        resource: Option.some("https://mcp.example/mcp")
      }))
      const [request] = server.requests
      assert.strictEqual(request?.params["resource"], "https://mcp.example/mcp")
      assert.strictEqual(request?.params["audience"], "api")
      assert.strictEqual(request?.headers["x-client"], "test")
    }).pipe(Effect.provide(layer)))

  it.scoped("is JSON where the vendor wants JSON", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const tokens = server.issue()
      const record = credential(server, tokens, { vendor: Option.some("codex") })
      assert.notStrictEqual(refreshTokenOf(yield* redeem(record)), null)
      const [request] = server.requests
      assert.strictEqual(request?.contentType, "application/json")
      deepStrictEqual(request?.params, {
        grant_type: "refresh_token",
        refresh_token: tokens.refreshToken,
        client_id: "client"
      })
    }).pipe(Effect.provide(layer)))

  it.scoped("proves a confidential client by Basic, or as the vendor or the metadata says", () =>
    Effect.gen(function*() {
      const secret = FakeToken.make("cs")
      const client = { id: "client:1", secret }
      const basic = yield* ScriptedServer.make({ client })
      const post = yield* ScriptedServer.make({
        client,
        metadata: (_, document) =>
          Behaviour.json(200, { ...document, token_endpoint_auth_methods_supported: ["client_secret_post"] })
      })
      const confidential = { clientId: Option.some("client:1"), clientSecret: Option.some(Redacted.make(secret)) }
      const cases = [
        [basic, confidential, "client_secret_basic"],
        [basic, { ...confidential, issuer: Option.some(basic.url) }, "client_secret_basic"],
        [post, { ...confidential, vendor: Option.some("with-post") }, "client_secret_post"],
        [post, { ...confidential, issuer: Option.some(post.url) }, "client_secret_post"],
        // The issuer cannot be asked: Basic is tried all the same.
        [
          basic,
          { ...confidential, issuer: Option.some(`http://127.0.0.1:${yield* closedPort}`) },
          "client_secret_basic"
        ]
      ] as const
      for (const [server, rest, method] of cases) {
        assert.strictEqual(verdict(yield* redeem(credential(server, server.issue(), rest))), "Granted")
        assert.strictEqual(server.requests.at(-1)?.clientAuth, method)
      }
      const wrong = { ...confidential, clientSecret: Option.some(Redacted.make("wrong")) }
      assert.strictEqual(
        verdict(yield* redeem(credential(basic, basic.issue(), wrong))),
        "Rejected InvalidClient"
      )
      // Only one request was made: a refused method is not followed by another guess.
      assert.strictEqual(basic.requests.at(-1)?.clientAuth, "client_secret_basic")
      assert.strictEqual(basic.requests.filter(({ path }) => path === "/token").length, 4)
    }).pipe(Effect.provide(layer)))

  it.scoped("is made on a connection of its own", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      for (let count = 0; count < 3; count++) yield* redeem(credential(server, server.issue()))
      assert.strictEqual(new Set(server.requests.map(({ connection }) => connection)).size, 3)
    }).pipe(Effect.provide(layer)))

  it.scoped("may be repeated, for the one retry of a lost one, on another connection", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* server.script(Behaviour.dropped)
      const endpoint = yield* TokenEndpoint
      const prepared = yield* endpoint.prepare(tenant, credential(server, server.issue()))
      assert.strictEqual(verdict(yield* prepared.redeem(limit)), "Unknown")
      assert.strictEqual(verdict(yield* prepared.redeem(limit)), "Granted")
      assert.strictEqual(new Set(server.requests.map(({ connection }) => connection)).size, 2)
    }).pipe(Effect.provide(layer)))

  it.scoped("never follows a redirect with the token", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const elsewhere = yield* ScriptedServer.make()
      for (const status of [301, 302, 303, 307, 308]) {
        const tokens = server.issue()
        yield* server.script(Behaviour.redirect(elsewhere.tokenEndpoint, status))
        assert.strictEqual(verdict(yield* redeem(credential(server, tokens))), "Rejected Protocol")
        assert.isTrue(server.isLive(tokens.refreshToken))
      }
      deepStrictEqual(elsewhere.requests, [])
    }).pipe(Effect.provide(layer)))

  it.scoped("that is interrupted closes its connection, before and inside the answer", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      for (const behaviour of [Behaviour.hang, Behaviour.consumedThen("Stalled")]) {
        yield* server.script(behaviour)
        const running = yield* Effect.fork(redeem(credential(server, server.issue())))
        const arrived = yield* Queue.take(server.arrivals)
        yield* Fiber.interrupt(running)
        assert.strictEqual((yield* Queue.take(server.aborts)).connection, arrived.connection)
      }
    }).pipe(Effect.provide(layer)))

  it.scoped("is sent once, also to a server that calls it misdirected", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* server.script(Behaviour.refused("misdirected", 421))
      assert.strictEqual(verdict(yield* redeem(credential(server, server.issue()))), "Rejected Protocol")
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.provide(layer)))

  it.scoped("is not sent by being prepared", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const endpoint = yield* TokenEndpoint
      yield* endpoint.prepare(tenant, credential(server, server.issue()))
      deepStrictEqual(server.requests, [])
    }).pipe(Effect.provide(layer)))

  it.scoped("goes through the global fetch as well, and its connection is not kept", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      for (let count = 0; count < 3; count++) {
        assert.strictEqual(verdict(yield* redeem(credential(server, server.issue()))), "Granted")
      }
      assert.strictEqual(new Set(server.requests.map(({ connection }) => connection)).size, 3)
    }).pipe(Effect.provide(Layer.provide(OAuthTokenEndpoint.layerBuiltIn, Fetch.layerGlobal))))
})

const tooLong = Behaviour.members((answer) => ({ ...answer, padding: "x".repeat(BODY_LIMIT) }))

const table: ReadonlyArray<[string, Behaviour.Behaviour, string, "live" | "consumed"]> = [
  ["200", Behaviour.strict, "Granted", "consumed"],
  ["201", Behaviour.created, "Granted", "consumed"],
  ["no token_type", Behaviour.withoutTokenType, "Granted", "consumed"],
  ["text/plain", Behaviour.contentType("text/plain"), "Granted", "consumed"],
  ["a numeric string", Behaviour.members((answer) => ({ ...answer, expires_in: "60" })), "Granted", "consumed"],
  ["no refresh token", Behaviour.omittedRefreshToken, "Granted", "live"],
  ["the same refresh token", Behaviour.sameRefreshToken, "Granted", "live"],
  ["a trickle", Behaviour.trickled, "Granted", "consumed"],
  ["400 invalid_grant", Behaviour.refused("invalid_grant"), "Terminal InvalidGrant", "live"],
  ["200 invalid_grant", Behaviour.refused("invalid_grant", 200), "Terminal InvalidGrant", "live"],
  ["a nested code", Behaviour.refusedNested("invalid_grant", 401), "Terminal InvalidGrant", "live"],
  ["an early refresh", Behaviour.earlyRefusal, "Terminal InvalidGrant", "live"],
  ["invalid_client", Behaviour.refused("invalid_client", 401), "Rejected InvalidClient", "live"],
  ["403 with a page", Behaviour.html(403), "Rejected Protocol", "live"],
  ["404", Behaviour.html(404), "Rejected Protocol", "live"],
  ["429", Behaviour.rateLimited({ "retry-after": "7" }), "RateLimited", "live"],
  ["502 with a page", Behaviour.html(502), "ServerError", "live"],
  ["503", Behaviour.html(503, { "retry-after": "7" }), "ServerError", "live"],
  ["200 with a page", Behaviour.html(200), "Unknown", "live"],
  ["a grant too long to be one", tooLong, "Unknown", "consumed"],
  ["an endless refusal", Behaviour.huge(BODY_LIMIT + 1, 403), "Rejected Protocol", "live"],
  ["reset, not consumed", Behaviour.dropped, "Unknown", "live"],
  ["reset, consumed", Behaviour.consumedThen("Reset"), "Unknown", "consumed"],
  ["closed, consumed", Behaviour.consumedThen("Close"), "Unknown", "consumed"],
  ["cut in the body, consumed", Behaviour.consumedThen("Cut"), "Unknown", "consumed"]
]

describe("an answer over the wire", () => {
  it.effect.each(table)("%s", ([, behaviour, expected, state]) =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const tokens = server.issue()
      yield* server.script(behaviour)
      const answer = yield* redeem(credential(server, tokens))
      assert.strictEqual(verdict(answer), expected)
      assert.strictEqual(server.isLive(tokens.refreshToken), state === "live")
      assert.strictEqual(server.requests.length, 1)
      if (answer._tag === "RateLimited" || answer._tag === "ServerError") {
        assert.strictEqual(
          Option.isSome(answer.retryAfter),
          expected !== "ServerError" || answer.detail.includes("503")
        )
      }
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.scoped("brings the rotated token back", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const first = server.issue()
      const second = refreshTokenOf(yield* redeem(credential(server, first)))
      assert.isTrue(second !== null && server.isLive(second))
      assert.isTrue(server.isLive(Redacted.value(
        granted(
          yield* redeem(credential(server, { ...first, refreshToken: second! }))
        ).accessToken
      )))
    }).pipe(Effect.provide(layer)))

  it.scoped("that is held back is waited for", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const gate = yield* Deferred.make<void>()
      yield* server.script(Behaviour.heldBack(gate))
      const running = yield* Effect.fork(redeem(credential(server, server.issue())))
      yield* Queue.take(server.arrivals)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(verdict(yield* Fiber.join(running)), "Granted")
    }).pipe(Effect.provide(layer)))
})

describe("an answer whose connection does not end", () => {
  const tokens = JSON.stringify({ access_token: FakeToken.make("at"), refresh_token: FakeToken.make("rt") })
  const piece = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
  const form = new URLSearchParams(JSON.parse(tokens) as Record<string, string>).toString()
  const cases: ReadonlyArray<[string, string, "Granted" | "Unknown"]> = [
    ["in chunks without a last one", `transfer-encoding: chunked\r\n\r\n${piece(tokens)}`, "Granted"],
    ["without a length", `\r\n${tokens}`, "Granted"],
    ["at its length", `content-length: ${tokens.length}\r\n\r\n${tokens}`, "Granted"],
    ["as a form without a length", `content-type: text/plain\r\n\r\n${form}`, "Granted"],
    ["inside the tokens", `\r\n${tokens.slice(0, -5)}`, "Unknown"],
    ["as a form short of its length", `content-length: ${form.length + 9}\r\n\r\n${form}`, "Unknown"]
  ]
  it.live.each(cases)("%s, counts for what was read of it", ([, rest, expected]) =>
    Effect.gen(function*() {
      const server = yield* RawServer.make(
        RawServer.answering((socket) => void socket.write(`HTTP/1.1 200 OK\r\n${rest}`))
      )
      const endpoint = yield* TokenEndpoint
      const issued = { accessToken: FakeToken.make("at"), refreshToken: FakeToken.make("rt") }
      const prepared = yield* endpoint.prepare(
        tenant,
        credential({ tokenEndpoint: `http://127.0.0.1:${server.port}/token` }, issued)
      )
      assert.strictEqual(verdict(yield* prepared.redeem(Duration.seconds(2))), expected)
      assert.lengthOf(server.received, 1)
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("through a fetch, an answer", () => {
  it.scopedLive("whose connection does not end counts for what was read of it, and silence for none", () =>
    Effect.gen(function*() {
      const tokens = JSON.stringify({ access_token: FakeToken.make("at"), refresh_token: FakeToken.make("rt") })
      const server = yield* RawServer.make(
        RawServer.answering((socket, request) => {
          if (request.startsWith("POST /token")) void socket.write(`HTTP/1.1 200 OK\r\n\r\n${tokens}`)
        })
      )
      const endpoint = yield* TokenEndpoint
      const at = (path: string) =>
        Effect.flatMap(
          endpoint.prepare(
            tenant,
            credential({ tokenEndpoint: `http://127.0.0.1:${server.port}${path}` }, {
              accessToken: FakeToken.make("at"),
              refreshToken: FakeToken.make("rt")
            })
          ),
          ({ redeem }) => redeem(Duration.seconds(2))
        )
      assert.strictEqual(verdict(yield* at("/token")), "Granted")
      assert.deepStrictEqual(yield* at("/silent"), RedeemAnswer.Unknown({ detail: "no answer in time" }))
      assert.lengthOf(server.received.filter((text) => text !== ""), 2)
    }).pipe(Effect.provide(Layer.provide(OAuthTokenEndpoint.layerBuiltIn, Fetch.layerGlobal))))
})

describe("a request that never left", () => {
  const gone = (tokenEndpoint: string) =>
    redeem(credential({ tokenEndpoint }, { accessToken: FakeToken.make("at"), refreshToken: FakeToken.make("rt") }))

  it.effect("found no listener", () =>
    Effect.gen(function*() {
      const answer = yield* gone(`http://127.0.0.1:${yield* closedPort}/token`)
      assert.deepInclude(answer, { _tag: "NeverSent", detail: "no connection (ECONNREFUSED)" })
    }).pipe(Effect.provide(layer)))

  it.effect("found no such name", () =>
    Effect.gen(function*() {
      const answer = yield* gone("https://nonexistent.invalid/token")
      assert.strictEqual(answer._tag, "NeverSent")
      assert.match(
        answer._tag === "NeverSent" ? answer.detail : "",
        /^the name cannot be resolved \((ENOTFOUND|EAI_AGAIN)\)$/
      )
    }).pipe(Effect.provide(layer)))

  it.scoped("found an untrusted certificate, or that is another host's", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make({ tls: SelfSignedCertificate.make() })
      const answer = yield* gone(server.tokenEndpoint)
      assert.deepInclude(answer, {
        _tag: "NeverSent",
        detail: "the certificate is not trusted (DEPTH_ZERO_SELF_SIGNED_CERT)"
      })
      deepStrictEqual(server.requests, [])
    }).pipe(Effect.provide(layer)))
})

describe("a request through a proxy", () => {
  const through = (proxy: string) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = process.env["HTTPS_PROXY"]
        process.env["HTTPS_PROXY"] = proxy
        return before
      }),
      () =>
        redeem(credential(
          { tokenEndpoint: "https://as.invalid/token" },
          { accessToken: FakeToken.make("at"), refreshToken: FakeToken.make("rt") }
        )),
      (before) =>
        Effect.sync(() => {
          if (before === undefined) delete process.env["HTTPS_PROXY"]
          else process.env["HTTPS_PROXY"] = before
        })
    )

  it.scoped("that opens no tunnel, or is not there, never left", () =>
    Effect.gen(function*() {
      const proxy = yield* LoopbackProxy.make({ port: 9, refuse: 407 })
      assert.deepInclude(yield* through(proxy.url), {
        _tag: "NeverSent",
        detail: "the proxy refused to connect (HTTP 407)"
      })
      deepStrictEqual(proxy.tunnels, ["as.invalid:443"])
      assert.deepInclude(yield* through(`http://127.0.0.1:${yield* closedPort}`), {
        _tag: "NeverSent",
        detail: "no connection to the proxy (ECONNREFUSED)"
      })
    }).pipe(Effect.provide(layer)))

  it.scoped("that has no address is not prepared", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(through("http://user:hunter2@"))
      assert.strictEqual(error.detail, "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy")
    }).pipe(Effect.provide(layer)))
})

describe("preparing", () => {
  const prepare = (rest: Parameters<typeof credential>[2], tokenEndpoint = "https://as.example/token") =>
    Effect.flatMap(TokenEndpoint, (endpoint) =>
      Effect.flip(endpoint.prepare(
        tenant,
        credential({ tokenEndpoint }, { accessToken: FakeToken.make("at"), refreshToken: FakeToken.make("rt") }, rest)
      )))

  const refusals: ReadonlyArray<[string, Parameters<typeof credential>[2], string | undefined, string]> = [
    ["plain http", {}, "http://as.example/token", "the token endpoint must be https"],
    [
      "an address that only looks like this machine",
      {},
      "http://127.0.0.1.example/token",
      "the token endpoint must be https"
    ],
    ["another scheme", {}, "file:///token", "the token endpoint must be https"],
    ["no URL", {}, "as.example/token", "the token endpoint is not a URL"],
    ["a password in the address", {}, "https://a:b@as.example/token", "the token endpoint must hold no password"],
    ["no client id", { clientId: Option.none() }, undefined, "no client id is known"],
    ["no refresh token", { refreshToken: Option.none() }, undefined, "there is no refresh token to send"],
    ["no endpoint", { tokenEndpoint: Option.none() }, undefined, "no token endpoint is known"]
  ]

  it.effect.each(refusals)("refuses %s", ([, rest, endpoint, detail]) =>
    Effect.gen(function*() {
      const error = yield* prepare(rest, endpoint)
      assert.strictEqual(error._tag, "ProviderRejected")
      assert.strictEqual(error.detail, detail)
    }).pipe(Effect.provide(layer)))

  it.effect("fails where the network client does not load", () =>
    Effect.gen(function*() {
      const error = yield* prepare({})
      assert.strictEqual(`${error._tag} ${error.reason} ${error.detail}`, "ProviderUnavailable Transport not here")
    }).pipe(Effect.provide(OAuthTokenEndpoint.layer.pipe(Layer.provide([
      VendorRegistry.layerBuiltIn,
      VendorSettings.layerMemory,
      ClientRegistrations.layerMemory,
      Layer.succeed(RoundTripper, { load: Effect.fail({ detail: "not here" }) })
    ])))))

  it.effect("knows what the transaction must know first", () =>
    Effect.gen(function*() {
      const endpoint = yield* TokenEndpoint
      const tokens = { accessToken: FakeToken.make("at"), refreshToken: FakeToken.make("rt") }
      const of = (vendor: string) =>
        endpoint.traits(
          tenant,
          credential({ tokenEndpoint: "https://as.example/token" }, tokens, {
            vendor: Option.some(vendor)
          })
        )
      deepStrictEqual(of("nobody"), { rotates: true, margin: Option.none(), rotationGroup: Option.none() })
      deepStrictEqual(of("codex").margin, Option.some(300_000))
      deepStrictEqual(of("grouped").rotationGroup, Option.some("https://as.example/token client"))
      assert.isFalse(of("grouped").rotates)
    }).pipe(Effect.provide(OAuthTokenEndpoint.layer.pipe(Layer.provide([
      VendorRegistry.layer([
        codex,
        OAuthVendor.make({ id: "grouped", siblingsRevoke: true, rotates: false })
      ]),
      VendorSettings.layerMemory,
      ClientRegistrations.layerMemory,
      Fetch.layerGlobal
    ])))))
})

describe("no token", () => {
  /** Collects every span as text. */
  const spy = (seen: Array<string>): Tracer.Tracer =>
    Tracer.make({
      span: (name, parent, context, links, startTime, kind, options) => {
        const attributes = new Map(Object.entries(options?.attributes ?? {}))
        return {
          _tag: "Span",
          name,
          spanId: "0",
          traceId: "0",
          parent,
          context,
          status: { _tag: "Started", startTime },
          attributes,
          links,
          sampled: true,
          kind,
          end: (_, exit) => void seen.push(inspect({ name, attributes, exit }, { depth: 9, showHidden: true })),
          attribute: (key, value) => void attributes.set(key, value),
          event: (event, _, rest) => void seen.push(inspect({ event, rest })),
          addLinks: () => undefined
        }
      },
      context: (run) => run()
    })

  const everything: Effect.Effect<ReadonlyArray<string>, never, Scope.Scope | TokenEndpoint> = Effect.gen(function*() {
    const server = yield* ScriptedServer.make()
    const endpoint = yield* TokenEndpoint
    const seen: Array<string> = []
    const echo: Behaviour.Behaviour = (_, { params }) =>
      Effect.succeed(Behaviour.json(400, { error: params["refresh_token"], error_description: JSON.stringify(params) }))
    const behaviours = [...table.map(([, behaviour]) => behaviour), echo]
    for (const behaviour of behaviours) {
      const record = credential(server, server.issue(), {
        vendor: Option.some("with-extras"),
        clientSecret: Option.some(Redacted.make(FakeToken.make("cs")))
      })
      yield* server.script(behaviour)
      yield* server.scriptRevocation(echo)
      const answers = Effect.gen(function*() {
        const prepared = yield* endpoint.prepare(tenant, record)
        seen.push(inspect(prepared, { depth: 9, showHidden: true }))
        const answer = yield* prepared.redeem(limit)
        yield* Effect.logInfo("answer", answer)
        const revoked = yield* endpoint.revoke(tenant, record)
        seen.push(inspect(answer, { depth: 9 }), JSON.stringify(answer), JSON.stringify(revoked))
        return answer
      })
      const exit = yield* Effect.exit(Effect.withTracer(answers, spy(seen)))
      assert.isTrue(Exit.isSuccess(exit))
      seen.push(inspect(exit, { depth: 9 }))
    }
    return seen
  })

  it.scoped("is in any answer, span or exit", () =>
    Effect.gen(function*() {
      const seen = yield* everything
      assert.isAbove(seen.length, 100)
      for (const text of seen) assert.notMatch(text, FakeToken.PATTERN)
    }).pipe(Effect.provide(layer)))
})
