import { assert, describe, it } from "@effect/vitest"
import type { Credential } from "@lockstep/core/Credential"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as Behaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { credential, layer, tenant } from "./network.js"

const revoke = (record: Credential) => Effect.flatMap(TokenEndpoint, (endpoint) => endpoint.revoke(tenant, record))

describe("revocation", () => {
  it.scoped("ends both tokens, the refresh token first", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const tokens = server.issue()
      const answer = yield* revoke(
        credential(server, tokens, { revocationEndpoint: Option.some(server.revocationEndpoint) })
      )
      assert.deepStrictEqual(answer, { _tag: "Revoked" })
      assert.deepStrictEqual(server.requests.map(({ params }) => params), [
        { token_type_hint: "refresh_token", token: tokens.refreshToken, client_id: "client" },
        { token_type_hint: "access_token", token: tokens.accessToken, client_id: "client" }
      ])
      assert.isFalse(server.isLive(tokens.refreshToken))
      assert.isFalse(server.isLive(tokens.accessToken))
    }).pipe(Effect.provide(layer)))

  it.scoped("is found by discovery", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const tokens = server.issue()
      const answer = yield* revoke(credential(server, tokens, { issuer: Option.some(server.url) }))
      assert.strictEqual(answer._tag, "Revoked")
      assert.isFalse(server.isLive(tokens.refreshToken))
    }).pipe(Effect.provide(layer)))

  it.scoped("is JSON for codex, and names the client with the refresh token only", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      const tokens = server.issue()
      yield* revoke(credential(server, tokens, {
        vendor: Option.some("codex"),
        revocationEndpoint: Option.some(server.revocationEndpoint)
      }))
      assert.deepStrictEqual(server.requests.map(({ contentType, params }) => [contentType, params]), [
        ["application/json", {
          token_type_hint: "refresh_token",
          token: tokens.refreshToken,
          client_id: "client"
        }],
        ["application/json", { token_type_hint: "access_token", token: tokens.accessToken }]
      ])
    }).pipe(Effect.provide(layer)))

  it.scoped("is not offered by every server", () =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make({
        metadata: (_, { revocation_endpoint: __, ...document }) => Behaviour.json(200, document)
      })
      for (const rest of [{}, { issuer: Option.some(server.url) }, { vendor: Option.some("without-revocation") }]) {
        assert.deepStrictEqual(yield* revoke(credential(server, server.issue(), rest)), { _tag: "Unsupported" })
      }
      assert.isFalse(server.requests.some(({ method }) => method === "POST"))
    }).pipe(Effect.provide(layer)))

  const ok = Behaviour.reply(Behaviour.json(200, {}))
  const table: ReadonlyArray<[string, ReadonlyArray<Behaviour.Behaviour>, string]> = [
    ["no access tokens", [ok, Behaviour.refused("unsupported_token_type")], "Revoked"],
    [
      "no refresh tokens",
      [Behaviour.refused("unsupported_token_type"), ok],
      "refresh_token: HTTP 400 unsupported_token_type"
    ],
    ["nothing now", [Behaviour.html(503), ok], "refresh_token: HTTP 503"],
    ["not a second time", [ok, Behaviour.html(503)], "access_token: HTTP 503"],
    ["no answer", [Behaviour.dropped, ok], "refresh_token: the connection ended without a whole answer"]
  ]

  it.effect.each(table)("of a server that takes %s", ([, behaviours, expected]) =>
    Effect.gen(function*() {
      const server = yield* ScriptedServer.make()
      yield* server.scriptRevocation(...behaviours)
      const answer = yield* revoke(
        credential(server, server.issue(), { revocationEndpoint: Option.some(server.revocationEndpoint) })
      )
      assert.isTrue(
        (answer._tag === "Failed" ? answer.detail : answer._tag).startsWith(expected),
        JSON.stringify(answer)
      )
      // The second token is tried whatever became of the first.
      assert.strictEqual(server.requests.length, 2)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.scoped("fails, without a word of the token, where the server cannot be found", () =>
    Effect.gen(function*() {
      const tokens = { accessToken: FakeToken.make("at"), refreshToken: FakeToken.make("rt") }
      const record = credential({ tokenEndpoint: "https://as.example/token" }, tokens, {
        revocationEndpoint: Option.some("http://as.example/revoke")
      })
      assert.deepStrictEqual(yield* revoke(record), {
        _tag: "Failed",
        detail: "the revocation endpoint must be https"
      })
    }).pipe(Effect.provide(layer)))
})
