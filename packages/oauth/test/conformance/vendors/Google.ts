import * as Google from "@lockstep/testkit/vendors/Google"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import type { Facts, Scenario } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const { refusals } = Google

/**
 * What comes true with each of Google's installed apps.
 */
export const googleScenarios = (facts: Facts, name: string): ReadonlyArray<Scenario> => [
  Logins.stores("a login by browser is stored", facts, Flows.browser),
  Refreshes.renews(facts, Flows.browser),
  Refreshes.refusals(facts, Flows.browser, {
    invalidGrant: [refusals.invalidGrant, "Terminal InvalidGrant"],
    reauth: [refusals.reauth, "Terminal InvalidGrant"],
    invalidClient: [refusals.invalidClient, "Rejected InvalidClient"],
    unauthorizedClient: [refusals.unauthorizedClient, "Rejected InvalidClient"],
    tooMany: [refusals.tooMany, "RateLimited 12000"],
    internal: [refusals.internal, "ServerError"]
  }),
  Refreshes.traits(facts, Flows.browser, { rotates: false, margin: 300_000, rotationGroup: null }),
  Refreshes.revokes(facts, Flows.browser, ["refresh_token", "access_token"]),
  Logins.missingSecret(facts, `LOCKSTEP_${name}_CLIENT_SECRET`),
  Logins.secretStaysOut(facts),
  Logins.secretOfSettings(facts, `LOCKSTEP_${name}_CLIENT_SECRET`, Google.CLIENT_SECRET),
  Logins.clientId(facts, `LOCKSTEP_${name}_CLIENT_ID`, Flows.browser),
  Logins.exchangeRefusals(facts, [
    ["invalidGrant", refusals.invalidGrant, "LoginFailed CodeRefused"],
    ["invalidClient", refusals.invalidClient, "ProviderRejected InvalidClient"],
    ["tooMany", refusals.tooMany, "ProviderUnavailable RateLimited"],
    ["internal", refusals.internal, "ProviderUnavailable ServerError"]
  ]),
  Logins.denied(facts),
  Logins.termsGate(facts, Flows.browser),
  Logins.notOffered(facts, ["device"]),
  Refreshes.keeps(facts, Flows.browser, [{ members: ["scope"] }]),
  Refreshes.withoutAccessToken(facts, Flows.browser, "access_token")
]

/**
 * What none of them shows.
 */
export const googleUnobservable: Unobservable.Unobservable = {
  ...Unobservable.keyMethod,
  ...Unobservable.knownClient,
  ...Unobservable.noDevice,
  ...Unobservable.noJson
}
