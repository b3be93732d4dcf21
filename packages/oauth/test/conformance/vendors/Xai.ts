import * as TenantId from "@lockstep/core/TenantId"
import { xai as vendor } from "@lockstep/oauth/vendors/Xai"
import * as UnsignedJwt from "@lockstep/testkit/vendors/UnsignedJwt"
import * as Emulator from "@lockstep/testkit/vendors/Xai"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import type { Conformance, Facts } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("xai-oauth"),
  vendor: "xai-oauth",
  issuer: "https://auth.x.ai",
  clientId: "b1a00492-073a-47ea-816f-4c329264a828",
  account: { id: Emulator.ACCOUNT.id, label: Emulator.ACCOUNT.label },
  lifetime: Emulator.LIFETIME,
  loginLifetime: null,
  refreshToken: "Rotates",
  scope: "openid profile email offline_access grok-cli:access api:access",
  devicePage: { address: "https://accounts.x.ai/device", complete: "https://accounts.x.ai/device?user_code=" },
  request: {}
}

const { refusals } = Emulator

export const xai: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.stores("a login by browser is stored", facts, Flows.browser),
    Logins.devicePace(facts, ["Pending", "SlowDown", "Pending", "SlowDown", "Pending", "Agreed"]),
    Refreshes.renews(facts, Flows.browser),
    Refreshes.refusals(facts, Flows.browser, {
      invalidGrant: [refusals.invalidGrant, "Terminal InvalidGrant"],
      invalidClient: [refusals.invalidClient, "Rejected InvalidClient"],
      forbidden: [refusals.forbidden, "Rejected Entitlement"],
      forbiddenBare: [refusals.forbiddenBare, "Rejected Entitlement"],
      tooMany: [refusals.tooMany, "RateLimited 11000"],
      unavailable: [refusals.unavailable, "ServerError"]
    }),
    Logins.anyPort(facts),
    Refreshes.traits(facts, Flows.browser, { rotates: true, margin: 300_000, rotationGroup: null }),
    Refreshes.expiries(facts, Flows.browser, [
      [(now) => ({ access_token: UnsignedJwt.make({ exp: now + 900 }) }), 900],
      [(now) => ({ access_token: UnsignedJwt.make({ exp: now + 900 }), expires_in: 600 }), 600],
      [() => ({ access_token: "opaque", expires_in: 600 }), 600],
      [() => ({ access_token: "opaque" }), null]
    ]),
    Refreshes.revokes(facts, Flows.browser, []),
    Logins.stores("a pasted address is stored", facts, Logins.pasteAddress),
    Logins.clientId(facts, "LOCKSTEP_XAI_OAUTH_CLIENT_ID", Flows.device),
    Logins.clientId(facts, "GROK_OAUTH2_CLIENT_ID", Flows.browser),
    Logins.deviceInSteps(facts),
    ...Logins.deviceEnds(facts, ["Denied", "Expired"]),
    Logins.pollRefusals(facts, [
      ["forbidden", refusals.forbidden, "ProviderRejected Entitlement"],
      ["invalidClient", refusals.invalidClient, "ProviderRejected InvalidClient"]
    ]),
    Logins.exchangeRefusals(facts, [
      ["invalidGrant", refusals.invalidGrant, "LoginFailed CodeRefused"],
      ["forbidden", refusals.forbidden, "ProviderRejected Entitlement"],
      ["tooMany", refusals.tooMany, "ProviderUnavailable RateLimited"],
      ["unavailable", refusals.unavailable, "ProviderUnavailable ServerError"]
    ]),
    Logins.denied(facts),
    Logins.noTermsGate(facts, Flows.browser),
    Refreshes.keeps(facts, Flows.browser, [
      { members: ["refresh_token"] },
      // The access token tells its own end.
      { members: ["expires_in"] },
      { members: ["refresh_token", "expires_in", "id_token"] }
    ]),
    Refreshes.withoutAccessToken(facts, Flows.browser, "access_token"),
    Refreshes.reuse(facts, Flows.browser),
    Refreshes.margin(facts, Flows.browser, 300)
  ],
  unobservable: {
    ...Unobservable.keyMethod,
    ...Unobservable.publicClient,
    ...Unobservable.knownClient,
    ...Unobservable.knownAccount,
    ...Unobservable.noJson,
    ...Unobservable.because(
      "the issuer's metadata names it",
      "tokenEndpoint: missing",
      "deviceAuthorizationEndpoint: missing"
    ),
    ...Unobservable.because(
      "the issuer's metadata names no revocation endpoint",
      "revocation: missing",
      "revocation: the other encoding",
      "revocation: no client with the refresh_token",
      "revocation: no client with the access_token"
    )
  }
}
