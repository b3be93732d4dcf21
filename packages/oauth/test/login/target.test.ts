import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import type { LoginRequest } from "@lockstep/oauth/Login"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import { anthropic } from "@lockstep/oauth/vendors/Anthropic"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Stage from "./stage.js"

const { acme, answerTo, begun, key, no, ok, plain, refusal, request, tenant, tokens, verdict } = Stage

const ISSUER = "https://issuer.example"

const metadata = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: `${ISSUER}/token`,
  revocation_endpoint: `${ISSUER}/revoke`
}

/** A server that is known by its issuer alone. */
const discovered = (rest: Partial<LoginRequest> = {}) =>
  request(OAuthVendor.generic, { issuer: Option.some(ISSUER), clientId: Option.some("mine"), ...rest })

const publish = (stage: Stage.Stage, extra: Record<string, unknown>, others: Stage.Server = () => ok(tokens())) => {
  stage.network.server = (sent) => sent.url.includes("/.well-known/") ? ok({ ...metadata, ...extra }) : others(sent)
}

const complete = (stage: Stage.Stage, url: URL) => stage.login.complete(key, Redacted.make(answerTo(url)))

describe("before anything is sent", () => {
  const refused = (wanted: LoginRequest, options: Stage.Options = {}) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make(options)
      const error = yield* refusal(stage.login.begin(wanted))
      assert.strictEqual(stage.network.requests.length, 0)
      assert.isTrue(Option.isNone(yield* stage.pending.get(key)))
      return error
    })

  it.effect("it is settled that the login can be begun", () =>
    Effect.gen(function*() {
      const withoutClient = { ...acme, clientId: Option.none() }
      const withoutSecret = { ...acme, clientSecretSource: Option.some("a drawer") }
      deepStrictEqual(
        yield* Effect.forEach([
          request({ ...acme, methods: ["device"] }),
          request(withoutClient),
          request(withoutSecret),
          request(acme, { issuer: Option.some("http://issuer.example") }),
          request(acme, { issuer: Option.some("not an address") }),
          request({ ...acme, authorizationEndpoint: Option.some("http://acme.example/authorize") }),
          request(acme, { resource: Option.some("mcp#part") }),
          request(OAuthVendor.generic)
        ], (wanted) => refused(wanted)),
        [
          "LoginUnavailable MethodNotOffered",
          "LoginUnavailable ClientIdMissing",
          "LoginUnavailable ClientSecretMissing",
          "LoginUnavailable BadAddress",
          "LoginUnavailable BadAddress",
          "LoginUnavailable BadAddress",
          "LoginUnavailable BadAddress",
          "LoginUnavailable MethodNotOffered"
        ]
      )
    }))

  it.effect("the terms are accepted, by this tenant", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ vendors: [anthropic] })
      const error = yield* Effect.flip(stage.login.begin(request(anthropic)))
      assert.strictEqual(verdict(error), "LoginUnavailable TermsNotAccepted")
      assert.include(error.advice, "ANTHROPIC_API_KEY")
      assert.include(error.advice, "--accept-terms")
      yield* stage.settings.acceptTerms(tenant, anthropic.id)
      yield* stage.login.begin(request(anthropic))
      assert.strictEqual(
        yield* refusal(stage.login.begin(request(anthropic, { tenant: "acme@work" as typeof tenant }))),
        "LoginUnavailable TermsNotAccepted"
      )
    }))
})

describe("what is asked for", () => {
  it.effect("a prompt for consent goes with offline access, which OpenID Connect servers ignore without it", () =>
    Effect.gen(function*() {
      const promptFor = (scopes: ReadonlyArray<string>, vendor = OAuthVendor.generic) =>
        Effect.gen(function*() {
          const stage = yield* Stage.make()
          publish(stage, { scopes_supported: ["openid", "offline_access"] })
          return (yield* begun(stage, discovered({ scopes, vendor }))).searchParams.get("prompt")
        })
      assert.strictEqual(yield* promptFor([]), "consent")
      assert.strictEqual(yield* promptFor(["email", "offline_access", "openid"]), "consent")
      assert.isNull(yield* promptFor(["offline_access"]))
      assert.isNull(yield* promptFor(["openid"]))
      const known = OAuthVendor.make({ id: "known", scopes: ["openid", "offline_access"] })
      assert.isNull(yield* promptFor([], known))
    }))
})

describe("the client", () => {
  const clientOf = (wanted: LoginRequest, options: Stage.Options = {}) =>
    Effect.flatMap(
      Stage.make(options),
      (stage) => Effect.map(begun(stage, wanted), (url) => url.searchParams.get("client_id"))
    )

  it.effect("is the one that was named, else the environment's, else the vendor's", () =>
    Effect.gen(function*() {
      const environment = { LOCKSTEP_ACME_CLIENT_ID: "from-the-environment" }
      assert.strictEqual(
        yield* clientOf(request(acme, { clientId: Option.some("named") }), { environment }),
        "named"
      )
      assert.strictEqual(yield* clientOf(request(), { environment }), "from-the-environment")
      assert.strictEqual(yield* clientOf(request()), "acme-client")
    }))

  it.effect("has a secret that a person brings, which no record keeps", () =>
    Effect.gen(function*() {
      const vendor = { ...acme, clientAuth: "client_secret_post", clientSecretSource: Option.some("a drawer") } as const
      const stage = yield* Stage.make({ vendors: [vendor] })
      yield* stage.settings.setClientSecret("acme", Redacted.make("from-the-drawer"))
      const url = yield* begun(stage, request(vendor))
      assert.isNull(plain(Option.getOrThrow(yield* stage.pending.get(key)).clientSecret))
      stage.network.server = () => ok(tokens())
      yield* complete(stage, url)
      assert.strictEqual(stage.network.requests[0]!.params["client_secret"], "from-the-drawer")
      assert.isNull(plain((yield* stage.stored)!.clientSecret))
    }))
})

describe("the server's metadata", () => {
  it.effect("says where to go, and what to ask for where no scope is named", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      publish(stage, { scopes_supported: ["email", "offline_access", "openid"] })
      const url = yield* begun(stage, discovered())
      assert.strictEqual(url.origin + url.pathname, metadata.authorization_endpoint)
      assert.strictEqual(url.searchParams.get("scope"), "openid offline_access")
      yield* complete(stage, url)
      const record = (yield* stage.stored)!
      deepStrictEqual(
        [record.vendor, record.issuer, record.tokenEndpoint, record.revocationEndpoint].map(Option.getOrNull),
        [null, ISSUER, metadata.token_endpoint, metadata.revocation_endpoint]
      )
    }))

  it.effect("is no reason against S256 unless it names other methods only", () =>
    Effect.gen(function*() {
      for (
        const [methods, expected] of [[undefined, null], [["plain", "S256"], null], [["plain"], "PkceNotOffered"], [
          [],
          "PkceNotOffered"
        ]] as const
      ) {
        const stage = yield* Stage.make()
        publish(stage, { code_challenge_methods_supported: methods })
        const verdicts = yield* Effect.either(stage.login.begin(discovered()))
        assert.strictEqual(
          verdicts._tag === "Left" ? verdict(verdicts.left) : null,
          expected === null ? null : `LoginUnavailable ${expected}`
        )
      }
    }))

  it.effect("is not asked for where the descriptor knows everything", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* begun(stage, request({ ...acme, issuer: Option.some(ISSUER) }))
      assert.strictEqual(stage.network.requests.length, 0)
    }))
})

describe("registration", () => {
  const REGISTER = { registration_endpoint: `${ISSUER}/register` }
  const registering = (answer: Record<string, unknown>, extra: Record<string, unknown> = {}) =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      let count = 0
      publish(stage, { ...REGISTER, ...extra }, ({ url }) =>
        url === REGISTER.registration_endpoint
          ? { status: 201, body: { client_id: `dyn-${++count}`, ...answer } }
          : ok(tokens()))
      const wanted = discovered({ clientId: Option.none(), replace: true })
      const login = Effect.flatMap(begun(stage, wanted), (url) => Effect.as(complete(stage, url), url))
      return { stage, login, count: () => count }
    })

  it.effect("asks for a native client with this redirect", () =>
    Effect.gen(function*() {
      const { login, stage } = yield* registering({ token_endpoint_auth_method: "none" })
      const url = yield* login
      const sent = stage.network.requests.find(({ url }) => url === REGISTER.registration_endpoint)!
      deepStrictEqual(JSON.parse(sent.body), {
        client_name: "Lockstep",
        application_type: "native",
        redirect_uris: [url.searchParams.get("redirect_uri")],
        response_types: ["code"],
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "none"
      })
      assert.strictEqual(url.searchParams.get("client_id"), "dyn-1")
      const record = (yield* stage.stored)!
      deepStrictEqual(
        [record.clientId, record.tokenEndpointAuthMethod].map(Option.getOrNull),
        ["dyn-1", "none"]
      )
    }))

  it.effect("is reused by the next login of the tenant for as long as it lasts; 0 is for ever", () =>
    Effect.gen(function*() {
      const { count, login, stage } = yield* registering({ client_secret: "s1", client_secret_expires_at: 0 })
      yield* login
      yield* TestClock.adjust("1000 days")
      yield* login
      assert.strictEqual(count(), 1)
      const sent = stage.network.requests.at(-1)!
      assert.strictEqual(sent.headers["authorization"], `Basic ${btoa("dyn-1:s1")}`)
      assert.isTrue(Option.isNone((yield* stage.stored)!.clientSecretExpiresAt))
    }))

  it.effect("is made anew once it has ended, also where the old client is named", () =>
    Effect.gen(function*() {
      const end = Stage.NOW / 1_000 + 3_600
      const { count, login, stage } = yield* registering({ client_secret: "s1", client_secret_expires_at: end })
      yield* login
      yield* TestClock.adjust("59 minutes")
      yield* login
      assert.strictEqual(count(), 1)
      yield* TestClock.adjust("1 minute")
      const url = yield* begun(stage, discovered({ clientId: Option.some("dyn-1"), replace: true }))
      assert.strictEqual(url.searchParams.get("client_id"), "dyn-2")
    }))

  it.effect("proves itself as it was registered", () =>
    Effect.gen(function*() {
      const { login, stage } = yield* registering(
        { client_secret: "s1", token_endpoint_auth_method: "client_secret_post" },
        { token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"] }
      )
      yield* login
      const sent = stage.network.requests.at(-1)!
      assert.strictEqual(sent.params["client_secret"], "s1")
      assert.isUndefined(sent.headers["authorization"])
      const asked = stage.network.requests.find(({ url }) => url === REGISTER.registration_endpoint)!
      assert.strictEqual(JSON.parse(asked.body).token_endpoint_auth_method, "client_secret_basic")
    }))

  it.effect("that is refused says so, and one of another server is not used", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.writer.put(
        tenant,
        Credential.make({ issuer: Option.some("https://other.example"), clientId: Option.some("other") }),
        { replace: true, note: "import" }
      )
      publish(stage, REGISTER, () => no("invalid_redirect_uri"))
      const wanted = discovered({ clientId: Option.none() })
      assert.strictEqual(yield* refusal(stage.login.begin(wanted)), "LoginUnavailable ClientIdMissing")
      publish(stage, REGISTER, () => no("busy", 503))
      assert.strictEqual(yield* refusal(stage.login.begin(wanted)), "ProviderUnavailable ServerError")
      publish(stage, REGISTER, () => "Refused")
      assert.strictEqual(yield* refusal(stage.login.begin(wanted)), "ProviderUnavailable Transport")
    }))
})
