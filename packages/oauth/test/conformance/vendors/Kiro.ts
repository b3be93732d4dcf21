import { assert } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { kiro as vendor } from "@lockstep/oauth/vendors/Kiro"
import * as Emulator from "@lockstep/testkit/vendors/Kiro"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import {
  checkRecord,
  type Conformance,
  type Facts,
  fails,
  plain,
  REGISTERED,
  type Scenario,
  seconds,
  stored
} from "../Scenario.js"
import type { Stage } from "../Stage.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("kiro"),
  vendor: "kiro",
  issuer: Emulator.issuer("us-east-1"),
  clientId: REGISTERED,
  account: null,
  lifetime: Emulator.LIFETIME,
  loginLifetime: null,
  refreshToken: "Rotates",
  scope: "codewhisperer:completions codewhisperer:analysis codewhisperer:conversations",
  devicePage: {
    address: "https://view.awsapps.com/start/#/device",
    complete: "https://view.awsapps.com/start/#/device?user_code="
  },
  request: {}
}

const { refusals } = Emulator

const registrations = (stage: Stage) => stage.emulator.requests.filter(({ url }) => url.endsWith("/client/register"))

const registers: Scenario = {
  name: "registers a client, uses it again while it lives, and registers another one after that",
  run: (stage) =>
    Effect.gen(function*() {
      yield* Flows.device(stage, facts)
      const first = yield* stored(stage, facts)
      const end = Option.getOrNull(first.clientSecretExpiresAt)
      assert.isNotNull(plain(first.clientSecret))
      assert.closeTo(end ?? 0, seconds(stage) + Emulator.REGISTRATION_LIFETIME, 60)
      yield* Flows.device(stage, facts, { replace: true })
      assert.strictEqual(registrations(stage).length, 1)
      stage.clock.advanceTo(((end ?? 0) + 1) * 1_000)
      const asked = stage.emulator.requests.length
      yield* fails(stage.coordinator.refresh(facts.tenant), "ReauthorizationRequired RegistrationExpired")
      assert.strictEqual(stage.emulator.requests.length, asked)
      yield* Flows.device(stage, facts, { replace: true })
      assert.strictEqual(registrations(stage).length, 2)
      assert.notDeepEqual((yield* stored(stage, facts)).clientId, first.clientId)
    })
}

const issuer = Emulator.issuer("eu-central-1")

const region: Scenario = {
  name: "a login of another region stays there",
  run: (stage) =>
    Effect.gen(function*() {
      yield* Flows.device(stage, facts, { issuer: Option.some(issuer) })
      const loggedInAt = seconds(stage)
      yield* checkRecord(stage, facts, { loggedInAt, issuer })
      yield* stage.coordinator.refresh(facts.tenant)
      yield* checkRecord(stage, facts, { loggedInAt, issuer })
      assert.isTrue(stage.emulator.requests.every(({ url }) => url.startsWith(issuer)))
    })
}

export const kiro: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.devicePace(facts, ["Pending", "SlowDown", "Pending", "SlowDown", "Pending", "Agreed"]),
    Refreshes.renews(facts, Flows.device),
    Refreshes.refusals(facts, Flows.device, {
      invalidGrant: [refusals.invalidGrant, "Terminal InvalidGrant"],
      invalidGrantTypeOnly: [refusals.invalidGrantTypeOnly, "Terminal InvalidGrant"],
      invalidGrantBareType: [refusals.invalidGrantBareType, "Terminal InvalidGrant"],
      invalidGrantCodeOnly: [refusals.invalidGrantCodeOnly, "Terminal InvalidGrant"],
      expiredToken: [refusals.expiredToken, "Terminal InvalidGrant"],
      expiredTokenCodeOnly: [refusals.expiredTokenCodeOnly, "Terminal InvalidGrant"],
      expiredTokenTypeOnly: [refusals.expiredTokenTypeOnly, "Terminal InvalidGrant"],
      invalidClient: [refusals.invalidClient, "Terminal RegistrationExpired"],
      invalidClientCodeOnly: [refusals.invalidClientCodeOnly, "Terminal RegistrationExpired"],
      invalidClientTypeOnly: [refusals.invalidClientTypeOnly, "Terminal RegistrationExpired"],
      unauthorizedClientTypeOnly: [refusals.unauthorizedClientTypeOnly, "Rejected InvalidClient"],
      accessDeniedTypeOnly: [refusals.accessDeniedTypeOnly, "Rejected Entitlement"],
      slowDown: [refusals.slowDown, "RateLimited"],
      slowDownTypeOnly: [refusals.slowDownTypeOnly, "RateLimited"],
      throttling: [refusals.throttling, "RateLimited"],
      tooMany: [refusals.tooMany, "RateLimited 14000"],
      internalTypeOnly: [refusals.internalTypeOnly, "ServerError"],
      internal: [refusals.internal, "ServerError"]
    }),
    Refreshes.traits(facts, Flows.device, { rotates: true, margin: 120_000, rotationGroup: null }),
    registers,
    region,
    Refreshes.revokes(facts, Flows.device, []),
    Logins.deviceInSteps(facts),
    ...Logins.deviceEnds(facts, ["Denied", "Expired"]),
    Logins.noTermsGate(facts, Flows.device),
    Logins.notOffered(facts, ["browser", "paste"]),
    Refreshes.keeps(facts, Flows.device, [{ members: ["refreshToken"] }, { members: ["tokenType"] }]),
    Refreshes.withoutAccessToken(facts, Flows.device, "accessToken"),
    Refreshes.reuse(facts, Flows.device),
    Refreshes.margin(facts, Flows.device, 120)
  ],
  unobservable: {
    ...Unobservable.keyMethod,
    ...Unobservable.noBrowser("form"),
    ...Unobservable.noRevocation,
    ...Unobservable.because("no answer of the vendor names an account", "account: no account"),
    ...Unobservable.because(
      "a device code that the token endpoint's rules refuse for good has expired as well",
      "device: polled without Expired"
    )
  }
}
