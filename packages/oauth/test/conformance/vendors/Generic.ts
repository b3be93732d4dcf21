import { assert } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { generic as vendor } from "@lockstep/oauth/OAuthVendor"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Emulator from "@lockstep/testkit/vendors/OpenIdProvider"
import * as UnsignedJwt from "@lockstep/testkit/vendors/UnsignedJwt"
import { json } from "@lockstep/testkit/vendors/VendorServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import { checkRecord, type Conformance, type Facts, REGISTERED, type Scenario, seconds, stored } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("acme"),
  vendor: null,
  issuer: Emulator.ISSUER,
  clientId: Emulator.CLIENT_ID,
  account: { id: Emulator.ACCOUNT.id, label: Emulator.ACCOUNT.label },
  lifetime: Emulator.LIFETIME,
  loginLifetime: null,
  refreshToken: "Rotates",
  scope: Emulator.SCOPE,
  devicePage: {
    address: "https://as.vendor.example/activate",
    complete: "https://as.vendor.example/activate?user_code="
  },
  request: {
    issuer: Option.some(Emulator.ISSUER),
    clientId: Option.some(Emulator.CLIENT_ID),
    resource: Option.some(Emulator.RESOURCE)
  }
}

const { refusals } = Emulator

const CLIENT_SECRET = FakeToken.make("cs")

const registers = (way: Logins.Way, name: string): Scenario => ({
  name: `registers a client for a login by ${name}, and uses it again`,
  run: (stage) =>
    Effect.gen(function*() {
      const unregistered = { ...facts, clientId: REGISTERED, request: { ...facts.request, clientId: Option.none() } }
      yield* way(stage, unregistered)
      yield* checkRecord(stage, unregistered, { loggedInAt: seconds(stage) })
      const { clientId } = yield* stored(stage, facts)
      assert.match(Option.getOrElse(clientId, () => ""), /^dyn-/)
      yield* stage.coordinator.refresh(facts.tenant)
      yield* way(stage, unregistered, { replace: true })
      assert.deepStrictEqual((yield* stored(stage, facts)).clientId, clientId)
    })
})

const confidential = (clientAuth: "client_secret_basic" | "client_secret_post"): Scenario => ({
  name: `a client with a secret proves itself by ${clientAuth} where the metadata says so`,
  about: ["clientAuth"],
  emulator: { clientSecret: CLIENT_SECRET, clientAuth },
  run: (stage) =>
    Effect.gen(function*() {
      yield* Flows.browser(stage, facts, { clientSecret: Option.some(Redacted.make(CLIENT_SECRET)) })
      yield* stage.coordinator.refresh(facts.tenant)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
      assert.strictEqual((yield* stage.writer.remove(facts.tenant, { revoke: true })).revoked._tag, "Revoked")
    })
})

/** Codes of RFC 6749, RFC 8707 and OpenID Connect, and those of common practice. */
const codes = {
  invalid_grant: "Terminal InvalidGrant",
  interaction_required: "Terminal InvalidGrant",
  login_required: "Terminal InvalidGrant",
  consent_required: "Terminal InvalidGrant",
  invalid_token: "Terminal InvalidGrant",
  token_expired: "Terminal InvalidGrant",
  token_revoked: "Terminal InvalidGrant",
  session_expired: "Terminal InvalidGrant",
  session_not_found: "Terminal InvalidGrant",
  incorrect_client_credentials: "Rejected InvalidClient",
  invalid_client_id: "Rejected InvalidClient",
  bad_client_secret: "Rejected InvalidClient",
  invalid_client: "Rejected InvalidClient",
  unauthorized_client: "Rejected InvalidClient",
  access_denied: "Rejected Entitlement",
  insufficient_scope: "Rejected Entitlement",
  permission_error: "Rejected Entitlement",
  invalid_request: "Rejected Resource",
  invalid_scope: "Rejected Protocol",
  invalid_target: "Rejected Resource",
  unsupported_grant_type: "Rejected Protocol",
  slow_down: "RateLimited",
  ratelimited: "RateLimited",
  rate_limit_error: "RateLimited",
  rate_limit_exceeded: "RateLimited",
  temporarily_unavailable: "ServerError",
  server_error: "ServerError",
  overloaded_error: "ServerError"
}

export const generic: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.stores("a login by browser is stored", facts, Flows.browser),
    Logins.devicePace(facts, ["Pending", "SlowDown", "Pending", "SlowDown", "Pending", "Agreed"]),
    Refreshes.renews(facts, Flows.browser),
    Refreshes.refusals(facts, Flows.browser, {
      ...Object.fromEntries(
        Object.entries(codes).map(([code, said]) => [code, [json(400, { error: code }), said] as const])
      ),
      invalidGrantWith200: [refusals.invalidGrantWith200, "Terminal InvalidGrant"],
      invalidGrantWith401: [json(401, { error: "invalid_grant" }), "Terminal InvalidGrant"],
      temporarilyUnavailable: [refusals.temporarilyUnavailable, "ServerError"],
      tooMany: [refusals.tooMany, "RateLimited"],
      unauthorized: [json(401, {}), "Rejected InvalidClient"],
      forbidden: [json(403, {}), "Rejected Entitlement"],
      timedOut: [json(408, {}), "ServerError"],
      unknownCode: [json(400, { error: "made_up" }), "Rejected Resource"],
      moved: [json(302, {}, { location: `${Emulator.ISSUER}/elsewhere` }), "Rejected Protocol"]
    }),
    Logins.anyPort(facts),
    Refreshes.traits(facts, Flows.browser, { rotates: true, margin: null, rotationGroup: null }),
    Refreshes.expiries(facts, Flows.browser, [
      [(now) => ({ access_token: "opaque", expires_at: now + 700 }), 700],
      [(now) => ({ access_token: "opaque", expires_at: new Date((now + 800) * 1_000).toISOString() }), 800],
      [(now) => ({ access_token: UnsignedJwt.make({ exp: now + 900 }) }), 900],
      [(now) => ({ access_token: UnsignedJwt.make({ exp: now + 900 }), expires_at: now + 700, expires_in: 600 }), 600],
      [() => ({ access_token: "opaque" }), null]
    ]),
    Refreshes.revokes(facts, Flows.browser, ["refresh_token", "access_token"]),
    Logins.stores("a pasted address is stored", facts, Logins.pasteAddress),
    Logins.stores("a pasted code is stored", facts, Logins.pasteCode),
    confidential("client_secret_basic"),
    confidential("client_secret_post"),
    registers(Flows.browser, "browser"),
    registers(Flows.device, "device"),
    Logins.deviceInSteps(facts),
    ...Logins.deviceEnds(facts, ["Denied", "Expired"]),
    Logins.exchangeRefusals(facts, [
      ["invalidGrant", refusals.invalidGrant, "LoginFailed CodeRefused"],
      ["invalidClient", refusals.invalidClient, "ProviderRejected InvalidClient"],
      ["tooMany", refusals.tooMany, "ProviderUnavailable RateLimited"],
      ["temporarilyUnavailable", refusals.temporarilyUnavailable, "ProviderUnavailable ServerError"]
    ]),
    Logins.denied(facts),
    Logins.noTermsGate(facts, Flows.browser),
    Refreshes.keeps(facts, Flows.browser, [
      { members: ["refresh_token"] },
      { members: ["scope", "id_token", "token_type"] }
    ]),
    Refreshes.withoutAccessToken(facts, Flows.browser, "access_token"),
    Refreshes.reuse(facts, Flows.browser),
    Refreshes.margin(facts, Flows.browser, 120)
  ],
  unobservable: {
    ...Unobservable.keyMethod,
    ...Unobservable.knownAccount,
    ...Unobservable.because("a login at any server names its issuer", "issuer: invented"),
    ...Unobservable.because(
      "an unknown code means the same",
      "errors: without invalid_request",
      "errors: without invalid_scope",
      "errors: without invalid_target",
      "errors: without unsupported_grant_type"
    )
  }
}
