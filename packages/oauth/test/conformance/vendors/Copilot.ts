import { assert } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { copilot as vendor } from "@lockstep/oauth/vendors/Copilot"
import { Treatment } from "@lockstep/testkit/vendors/AnswerScript"
import * as Emulator from "@lockstep/testkit/vendors/Copilot"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import { checkRecord, type Conformance, type Facts, fails, type Scenario, seconds } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("copilot"),
  vendor: "copilot",
  issuer: "https://github.com",
  clientId: "Iv1.b507a08c87ecfe98",
  account: { id: Emulator.ACCOUNT.id, label: Emulator.ACCOUNT.label },
  lifetime: Emulator.LIFETIME,
  loginLifetime: null,
  refreshToken: "Stays",
  scope: "read:user",
  devicePage: { address: "https://github.com/login/device", complete: null },
  request: {}
}

const { refusals } = Emulator

const withoutPlan: Scenario = {
  name: "a person without the plan learns it at the login",
  run: (stage) =>
    Effect.gen(function*() {
      stage.emulator.script.next("refresh", Treatment.Instead({ reply: refusals.noPlan }))
      yield* fails(Flows.device(stage, facts), "ProviderRejected Entitlement")
      assert.isTrue(Option.isNone(yield* stage.store.get(facts.tenant)), "nothing is stored")
    })
}

const issuer = `https://${Emulator.ENTERPRISE}`

/** github.com is asked nothing about an enterprise's login. */
const enterprise: Scenario = {
  name: "an enterprise's login lives at its own domain",
  run: (stage) =>
    Effect.gen(function*() {
      const devicePage = { address: `${issuer}/login/device`, complete: null }
      yield* Flows.device(stage, { ...facts, devicePage }, { issuer: Option.some(issuer) })
      const loggedInAt = seconds(stage)
      yield* checkRecord(stage, facts, { loggedInAt, issuer })
      yield* stage.coordinator.refresh(facts.tenant)
      yield* checkRecord(stage, facts, { loggedInAt, issuer })
      assert.isTrue(stage.emulator.requests.every(({ url }) => new URL(url).hostname.endsWith(Emulator.ENTERPRISE)))
    })
}

export const copilot: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.devicePace(facts, ["Pending", "SlowDown", "Pending", "SlowDown", "Pending", "Agreed"]),
    Refreshes.renews(facts, Flows.device),
    Refreshes.refusals(facts, Flows.device, {
      badCredentials: [refusals.badCredentials, "Terminal InvalidGrant"],
      noPlan: [refusals.noPlan, "Rejected Entitlement"],
      notFound: [refusals.notFound, "Rejected Entitlement"],
      tooMany: [refusals.tooMany, "RateLimited 13000"],
      unavailable: [refusals.unavailable, "ServerError"]
    }),
    Refreshes.traits(facts, Flows.device, { rotates: false, margin: 300_000, rotationGroup: null }),
    enterprise,
    Refreshes.revokes(facts, Flows.device, []),
    Logins.clientId(facts, "LOCKSTEP_COPILOT_CLIENT_ID", Flows.device),
    withoutPlan,
    Logins.deviceInSteps(facts),
    ...Logins.deviceEnds(facts, ["Denied", "Expired"]),
    Logins.termsGate(facts, Flows.device),
    Logins.notOffered(facts, ["browser", "paste"]),
    Refreshes.withoutAccessToken(facts, Flows.device, "token"),
    Refreshes.margin(facts, Flows.device, 300)
  ],
  unobservable: {
    ...Unobservable.keyMethod,
    ...Unobservable.publicClient,
    ...Unobservable.knownClient,
    ...Unobservable.noBrowser("json"),
    ...Unobservable.noRevocation,
    ...Unobservable.noJson,
    ...Unobservable.because(
      "an access token is renewed by a GET, which has no parameters",
      "refreshEncoding: json",
      "refreshParameters: one more",
      "refreshParameters: with scope"
    ),
    ...Unobservable.because("no answer of the vendor has the member", "loginExpiresIn: invented"),
    ...Unobservable.because("the exchange refuses by status alone", "errors: without invalid_grant")
  }
}
