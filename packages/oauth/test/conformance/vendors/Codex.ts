import * as TenantId from "@lockstep/core/TenantId"
import { codex as vendor } from "@lockstep/oauth/vendors/Codex"
import { Treatment } from "@lockstep/testkit/vendors/AnswerScript"
import * as Emulator from "@lockstep/testkit/vendors/Codex"
import * as UnsignedJwt from "@lockstep/testkit/vendors/UnsignedJwt"
import { json } from "@lockstep/testkit/vendors/VendorServer"
import * as Effect from "effect/Effect"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import { checkRecord, type Conformance, type Facts, fails, type Scenario, seconds } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("codex"),
  vendor: "codex",
  issuer: "https://auth.openai.com",
  clientId: "app_EMoamEEZ73f0CkXaXp7hrann",
  account: { id: Emulator.ACCOUNT.id, label: Emulator.ACCOUNT.label },
  lifetime: Emulator.LIFETIME,
  loginLifetime: null,
  refreshToken: "Rotates",
  // No answer names one: it is what was asked for.
  scope: "openid profile email offline_access",
  devicePage: { address: "https://auth.openai.com/codex/device", complete: null },
  request: {}
}

const { refusals } = Emulator

/** An older server, whose answer has another name for the code. */
const olderDevice: Scenario = {
  name: "reads the user code under its older name",
  run: (stage) =>
    Effect.gen(function*() {
      const { deviceCode, userCode } = stage.emulator.devices.start("", "openid profile email offline_access")
      stage.emulator.script.next(
        "device",
        Treatment.Instead({ reply: json(200, { device_auth_id: deviceCode, usercode: userCode, interval: "7" }) })
      )
      yield* Flows.device(stage, facts)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
    })
}

const deviceTurnedOff: Scenario = {
  name: "says that the issuer has no device login",
  run: (stage) => {
    stage.emulator.script.next("device", Treatment.Instead({ reply: json(404, { error: "not found" }) }))
    return fails(Flows.device(stage, facts), "LoginUnavailable MethodNotOffered")
  }
}

export const codex: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.stores("a login by browser is stored", facts, Flows.browser),
    Refreshes.renews(facts, Flows.browser),
    Refreshes.refusals(facts, Flows.browser, {
      reused: [refusals.reused, "Terminal InvalidGrant"],
      expired: [refusals.expired, "Terminal InvalidGrant"],
      invalidated: [refusals.invalidated, "Terminal InvalidGrant"],
      reusedWith400: [refusals.reusedWith400, "Terminal InvalidGrant"],
      expiredWith400: [refusals.expiredWith400, "Terminal InvalidGrant"],
      invalidatedWith400: [refusals.invalidatedWith400, "Terminal InvalidGrant"],
      unauthorized: [refusals.unauthorized, "Terminal InvalidGrant"],
      bare: [json(401, {}), "Terminal InvalidGrant"],
      invalidGrant: [refusals.invalidGrant, "Terminal InvalidGrant"],
      badRequest: [refusals.badRequest, "Rejected Protocol"],
      tooMany: [refusals.tooMany, "RateLimited 7000"],
      unavailable: [refusals.unavailable, "ServerError"]
    }),
    Refreshes.traits(facts, Flows.browser, { rotates: true, margin: 300_000, rotationGroup: null }),
    Refreshes.expiries(facts, Flows.browser, [
      [(now) => ({ access_token: UnsignedJwt.make({ exp: now + 900 }), expires_in: 600 }), 900],
      [() => ({ access_token: "opaque", expires_in: 600 }), 600],
      [() => ({ access_token: "opaque" }), null]
    ]),
    Refreshes.revokes(facts, Flows.browser, ["refresh_token", "access_token"]),
    Logins.stores("a pasted address is stored", facts, Logins.pasteAddress),
    Logins.devicePace(facts, ["Pending", "Pending", "Pending", "Agreed"]),
    Logins.clientId(facts, "LOCKSTEP_CODEX_CLIENT_ID", Flows.device),
    Logins.clientId(facts, "CODEX_APP_SERVER_LOGIN_CLIENT_ID", Flows.browser),
    Logins.fixedPorts(facts, [1455, 1457]),
    Logins.exchangeRefusals(facts, [
      ["invalidGrant", refusals.invalidGrant, "LoginFailed CodeRefused"],
      ["tooMany", refusals.tooMany, "ProviderUnavailable RateLimited"],
      ["unavailable", refusals.unavailable, "ProviderUnavailable ServerError"]
    ]),
    Logins.denied(facts),
    Logins.noTermsGate(facts, Flows.browser),
    Logins.deviceInSteps(facts),
    olderDevice,
    deviceTurnedOff,
    Refreshes.keeps(facts, Flows.browser, [
      { members: ["refresh_token"] },
      { members: ["id_token"] },
      { members: ["id_token", "refresh_token"] }
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
    ...Unobservable.because("the vendor takes any name of a client", "authorizeParameters: another originator"),
    ...Unobservable.because("no answer of the vendor has the member", "loginExpiresIn: invented")
  }
}
