import * as TenantId from "@lockstep/core/TenantId"
import { anthropic as vendor } from "@lockstep/oauth/vendors/Anthropic"
import { Treatment } from "@lockstep/testkit/vendors/AnswerScript"
import * as Emulator from "@lockstep/testkit/vendors/Anthropic"
import * as Effect from "effect/Effect"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import { checkRecord, type Conformance, type Facts, type Scenario, seconds } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("anthropic-oauth"),
  vendor: "anthropic-oauth",
  issuer: null,
  clientId: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
  account: { id: Emulator.ACCOUNT.id, label: Emulator.ACCOUNT.label },
  lifetime: Emulator.LIFETIME,
  loginLifetime: Emulator.LOGIN_LIFETIME,
  refreshToken: "Rotates",
  scope: "user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload",
  request: {}
}

const { refusals } = Emulator

/** The account is in an answer of its own, where that of the login does not name it. */
const asksForAccount: Scenario = {
  name: "asks for the account that the login's answer leaves out",
  run: (stage) =>
    Effect.gen(function*() {
      stage.emulator.script.next("exchange", Treatment.Without({ members: ["account", "organization"] }))
      yield* Flows.browser(stage, facts)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
    })
}

/** Older logins have no known end. */
const noDeadline: Scenario = {
  name: "a login whose end is not told has no end",
  run: (stage) =>
    Effect.gen(function*() {
      stage.emulator.script.next("exchange", Treatment.Without({ members: ["refresh_token_expires_in"] }))
      yield* Flows.browser(stage, facts)
      yield* checkRecord(stage, { ...facts, loginLifetime: null }, { loggedInAt: seconds(stage) })
    })
}

export const anthropic: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.stores("a login by browser is stored", facts, Flows.browser),
    Logins.stores("the code and state that the vendor's page shows are stored", facts, Logins.pasteCodeAndState),
    Logins.pastesAt(facts, Emulator.PAGE),
    Refreshes.renews(facts, Flows.browser),
    Refreshes.refusals(facts, Flows.browser, {
      invalidGrant: [refusals.invalidGrant, "Terminal InvalidGrant"],
      invalidGrantWith401: [refusals.invalidGrantWith401, "Terminal InvalidGrant"],
      invalidGrantWith403: [refusals.invalidGrantWith403, "Terminal InvalidGrant"],
      invalidClient: [refusals.invalidClient, "Rejected InvalidClient"],
      invalidScope: [refusals.invalidScope, "Rejected Protocol"],
      tooMany: [refusals.tooMany, "RateLimited 9000"],
      tooManyInMillis: [refusals.tooManyInMillis, "RateLimited 1500"],
      overloaded: [refusals.overloaded, "ServerError"]
    }),
    Logins.anyPort(facts),
    Refreshes.traits(facts, Flows.browser, { rotates: true, margin: 300_000, rotationGroup: null }),
    Refreshes.revokes(facts, Flows.browser, []),
    Logins.clientId(facts, "LOCKSTEP_ANTHROPIC_OAUTH_CLIENT_ID", Flows.browser),
    asksForAccount,
    noDeadline,
    Logins.exchangeRefusals(facts, [
      ["invalidGrant", refusals.invalidGrant, "LoginFailed CodeRefused"],
      ["invalidClient", refusals.invalidClient, "ProviderRejected InvalidClient"],
      ["tooMany", refusals.tooMany, "ProviderUnavailable RateLimited"],
      ["overloaded", refusals.overloaded, "ProviderUnavailable ServerError"]
    ]),
    Logins.denied(facts),
    Logins.termsGate(facts, Flows.browser),
    Logins.notOffered(facts, ["device"]),
    Refreshes.keeps(facts, Flows.browser, [
      { members: ["refresh_token"] },
      { members: ["account", "organization"] },
      { members: ["scope", "token_type"] }
    ]),
    Refreshes.withoutAccessToken(facts, Flows.browser, "access_token"),
    Refreshes.reuse(facts, Flows.browser),
    Refreshes.margin(facts, Flows.browser, 300),
    Refreshes.loginDeadline(facts, Flows.browser)
  ],
  unobservable: {
    ...Unobservable.keyMethod,
    ...Unobservable.publicClient,
    ...Unobservable.knownClient,
    ...Unobservable.noDevice,
    ...Unobservable.because("there is no address to ask at", "methods: with device", "revocation: invented"),
    ...Unobservable.noRevocation
  }
}
