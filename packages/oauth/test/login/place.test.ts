/**
 * What a server elsewhere says of addresses on this machine, in every place where it can say one. Nothing is sent there, and
 * no person is sent there.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import type { LoginRequest } from "@lockstep/oauth/Login"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stage from "./stage.js"

const { answerTo, key, no, ok, person, refusal, request, tenant, tokens } = Stage

const REMOTE = "https://evil.example"

const HERE = ["http://127.0.0.1:9/x", "http://localhost:9/x", "https://localhost.:9/x", "https://0.0.0.0:9/x"]

const LINK_LOCAL = "https://169.254.169.254/latest"

const documentOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  registration_endpoint: `${issuer}/register`,
  device_authorization_endpoint: `${issuer}/device`,
  code_challenge_methods_supported: ["S256"]
})

const serving = (issuer: string, extra: Record<string, unknown>) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make()
    stage.network.server = (sent) => {
      if (sent.url.includes("/.well-known/oauth")) return ok({ ...documentOf(issuer), ...extra })
      if (sent.url.includes("/.well-known/")) return no("not_found", 404)
      if (sent.url.endsWith("/register")) return { status: 201, body: { client_id: "dyn" } }
      if (sent.url.endsWith("/device")) {
        return ok({ device_code: "the-device-code", user_code: "ABCD", verification_uri: `${issuer}/go`, ...extra })
      }
      return ok(tokens())
    }
    return stage
  })

/** Every origin that was asked. */
const asked = ({ network }: Stage.Stage) => [...new Set(network.requests.map(({ url }) => new URL(url).origin))]

const wanted = (issuer: string, rest: Partial<LoginRequest> = {}) =>
  request(OAuthVendor.generic, { issuer: Option.some(issuer), ...rest })

describe("a server elsewhere", () => {
  const members = ["authorization_endpoint", "token_endpoint", "registration_endpoint"] as const

  for (const member of members) {
    it.effect(`sends no request and no person to this machine as its ${member.replace("_", " ")}`, () =>
      Effect.gen(function*() {
        for (const address of [...HERE, LINK_LOCAL]) {
          for (const vendor of [OAuthVendor.generic, mcp]) {
            const stage = yield* serving(REMOTE, { [member]: address })
            const login = stage.login.begin({ ...wanted(REMOTE), vendor })
            assert.strictEqual(yield* refusal(login), "LoginUnavailable BadAddress", address)
            deepStrictEqual(asked(stage), [REMOTE])
            deepStrictEqual(yield* stage.pending.list, [])
          }
        }
      }))
  }

  it.effect("starts no device grant on this machine, and sends no person to a page of it", () =>
    Effect.gen(function*() {
      for (const address of [...HERE, LINK_LOCAL]) {
        const stage = yield* serving(REMOTE, { device_authorization_endpoint: address })
        assert.strictEqual(yield* refusal(stage.login.beginDevice(wanted(REMOTE))), "LoginUnavailable BadAddress")
        deepStrictEqual(asked(stage), [REMOTE])

        const page = yield* serving(REMOTE, { verification_uri: address })
        assert.strictEqual(yield* refusal(page.login.beginDevice(wanted(REMOTE))), "ProviderRejected Protocol")

        const complete = yield* serving(REMOTE, { verification_uri_complete: address })
        const invitation = yield* complete.login.beginDevice(wanted(REMOTE))
        assert.isTrue(invitation._tag === "Device" && Option.isNone(invitation.verificationUriComplete))
      }
    }))

  it.effect("gets no refresh token sent to this machine, and none revoked there", () =>
    Effect.gen(function*() {
      for (const address of [...HERE, LINK_LOCAL]) {
        const stage = yield* serving(REMOTE, {
          token_endpoint: `${REMOTE}/token`,
          revocation_endpoint: address
        })
        const credential = Credential.make({
          issuer: Option.some(REMOTE),
          tokenEndpoint: Option.some(address),
          clientId: Option.some("mine"),
          accessToken: Option.some(Redacted.make("at-old")),
          refreshToken: Option.some(Redacted.make("rt-old"))
        })
        assert.strictEqual((yield* Effect.flip(stage.endpoint.prepare(tenant, credential))).reason, "Protocol")
        assert.strictEqual((yield* stage.endpoint.revoke(tenant, credential))._tag, "Failed")
        assert.isFalse(stage.network.requests.some(({ method }) => method === "POST"))
      }
    }))
})

it.effect("a server on this machine names addresses on it, also in plain http", () =>
  Effect.gen(function*() {
    const issuer = "http://127.0.0.1:8"
    const stage = yield* serving(issuer, { token_endpoint: "http://localhost:9/token" })
    const visitor = yield* person
    const login = yield* Effect.fork(stage.login.browser(wanted(issuer), visitor.self))
    const url = yield* visitor.url
    yield* Effect.fork(Stage.visit(stage, answerTo(url)))
    assert.strictEqual((yield* Fiber.join(login)).tenant, key.tenant)
    deepStrictEqual(asked(stage), [issuer, "http://localhost:9"])
  }))
