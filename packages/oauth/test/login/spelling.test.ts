/** Servers that name themselves otherwise than they are named, or not at all; and those that refuse `resource`. */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import type { LoginRequest } from "@lockstep/oauth/Login"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stage from "./stage.js"

const { answerTo, begun, clientOf, key, no, ok, refusal, request, tenant, tokens } = Stage

const ROOT = "https://mcp.example"

const documentOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${ROOT}/authorize`,
  token_endpoint: `${ROOT}/token`,
  registration_endpoint: `${ROOT}/register`,
  code_challenge_methods_supported: ["S256"]
})

const serving = (document: Record<string, unknown> | undefined) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make()
    let registered = 0
    stage.network.server = (sent) => {
      if (sent.url.includes("/.well-known/")) return document === undefined ? no("not_found", 404) : ok(document)
      if (sent.url.endsWith("/register")) return { status: 201, body: { client_id: `dyn-${++registered}` } }
      return ok(sent.method === "GET" ? "" : tokens())
    }
    return stage
  })

const wanted = (issuer: string, rest: Partial<LoginRequest> = {}): LoginRequest =>
  request(mcp, { issuer: Option.some(issuer), resource: Option.some(ROOT), replace: true, ...rest })

describe("an issuer without a path", () => {
  it.effect("is one with the slash and without, at the login and at the next, and in the answer as the server spells it", () =>
    Effect.gen(function*() {
      for (const [named, asked] of [[`${ROOT}/`, ROOT], [ROOT, `${ROOT}/`]] as const) {
        const stage = yield* serving({
          ...documentOf(named),
          authorization_response_iss_parameter_supported: true
        })
        const url = yield* begun(stage, wanted(asked))
        // RFC 9207 section 2.4 compares as text, with what the server calls itself.
        const other = stage.login.complete(key, Redacted.make(answerTo(url, { iss: asked })))
        assert.strictEqual(yield* refusal(other), "LoginFailed IssuerMismatch")
        yield* stage.login.complete(key, Redacted.make(answerTo(url, { iss: named })))
        const { issuer } = (yield* stage.stored)!
        for (const again of [asked, named, Option.getOrThrow(issuer)]) {
          assert.strictEqual(clientOf(yield* begun(stage, wanted(again))), "dyn-1")
        }
      }
    }))

  it.effect("is not that of another server, whatever it ends with", () =>
    Effect.gen(function*() {
      const stage = yield* serving({ ...documentOf(ROOT), authorization_response_iss_parameter_supported: true })
      const url = yield* begun(stage, wanted(ROOT))
      for (const iss of ["https://evil.example", `${ROOT}//`, `${ROOT}/a`]) {
        const answer = stage.login.complete(key, Redacted.make(answerTo(url, { iss })))
        assert.strictEqual(yield* refusal(answer), "LoginFailed IssuerMismatch")
      }
    }))
})

describe("a server of MCP 2025-03-26", () => {
  const older = { mcpVersion: "2025-03-26" } as const

  it.effect("that names another issuer, or none, is refused, with the way in", () =>
    Effect.gen(function*() {
      for (const document of [{ ...documentOf("https://other.example") }, undefined]) {
        const stage = yield* serving(document)
        const error = yield* Effect.flip(stage.login.begin(wanted(ROOT)))
        assert.strictEqual(Stage.verdict(error), "LoginUnavailable OlderServer")
        assert.include(error.advice, "--mcp-version 2025-03-26")
      }
    }))

  it.effect("is no server whose metadata names an authorization server elsewhere", () =>
    Effect.gen(function*() {
      const stage = yield* serving(undefined)
      const elsewhere = wanted(ROOT, { resource: Option.some("https://other.example/mcp") })
      assert.strictEqual(yield* refusal(stage.login.begin(elsewhere)), "ProviderRejected Protocol")
    }))

  it.effect("is logged in to where a person allows it, under the name by which it was asked", () =>
    Effect.gen(function*() {
      const { code_challenge_methods_supported: _, ...silent } = documentOf("https://other.example")
      for (const document of [silent, undefined]) {
        const stage = yield* serving(document)
        const url = yield* begun(stage, wanted(ROOT, older))
        assert.strictEqual(url.origin + url.pathname, `${ROOT}/authorize`)
        assert.strictEqual(url.searchParams.get("code_challenge_method"), "S256")
        yield* stage.login.complete(key, Redacted.make(answerTo(url)))
        deepStrictEqual((yield* stage.stored)!.issuer, Option.some(ROOT))
        deepStrictEqual((yield* stage.stored)!.tokenEndpoint, Option.some(`${ROOT}/token`))
      }
    }))

  it.effect("sends no request to this machine, whatever was allowed", () =>
    Effect.gen(function*() {
      const stage = yield* serving({ ...documentOf("http://127.0.0.1:9"), token_endpoint: "http://127.0.0.1:9/token" })
      assert.strictEqual(yield* refusal(stage.login.begin(wanted(ROOT, older))), "LoginUnavailable BadAddress")
    }))
})

describe("a refresh that carried `resource`", () => {
  const record = (rest: Partial<ConstructorParameters<typeof Credential>[0]> = {}) =>
    Credential.make({
      issuer: Option.some(ROOT),
      tokenEndpoint: Option.some(`${ROOT}/token`),
      clientId: Option.some("mine"),
      accessToken: Option.some(Redacted.make("at-old")),
      refreshToken: Option.some(Redacted.make("rt-old")),
      resource: Option.some(ROOT),
      ...rest
    })

  const refreshed = (reply: Stage.Reply, credential = record()) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      stage.network.server = () => reply
      const answer = yield* Effect.flatMap(stage.endpoint.prepare(tenant, credential), ({ redeem }) =>
        redeem(Duration.seconds(15)))
      assert.lengthOf(stage.network.requests, 1)
      return { answer, sent: stage.network.requests[0]!.params["resource"] }
    })

  it.effect("and was refused names the one way out, and is not repeated", () =>
    Effect.gen(function*() {
      for (const code of ["invalid_target", "invalid_request", "unknown_parameter"]) {
        const { answer, sent } = yield* refreshed(no(code))
        assert.strictEqual(sent, ROOT)
        assert.strictEqual("reason" in answer ? answer.reason : "", "Resource", code)
      }
    }))

  it.effect("is no reason where the grant or the client is refused, or where none was sent", () =>
    Effect.gen(function*() {
      const omitted = record({ resourceParameter: Option.some("omit") })
      const answers = [
        yield* refreshed(no("invalid_grant")),
        yield* refreshed(no("invalid_client", 401)),
        yield* refreshed(no("server_error", 500)),
        yield* refreshed(no("invalid_request"), omitted),
        yield* refreshed(no("invalid_request"), record({ resource: Option.none() }))
      ]
      for (const { answer } of answers) assert.notStrictEqual("reason" in answer ? answer.reason : "", "Resource")
      assert.isUndefined(answers[3]!.sent)
    }))
})
