import { assert } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { mimocode as vendor } from "@lockstep/oauth/vendors/Mimocode"
import * as Emulator from "@lockstep/testkit/vendors/Mimocode"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import { checkRecord, type Conformance, type Facts, request, type Scenario, seconds } from "../Scenario.js"
import * as Unobservable from "../Unobservable.js"

const facts: Facts = {
  tenant: TenantId.make("mimocode"),
  vendor: "mimocode",
  issuer: "https://platform.xiaomimimo.com",
  clientId: null,
  account: { id: Emulator.ACCOUNT.id, label: null },
  lifetime: null,
  loginLifetime: null,
  refreshToken: "None",
  scope: null,
  request: {}
}

/** A key that was sealed for another attempt opens nothing; nothing else tells whose it is. */
const foreignKey: Scenario = {
  name: "a key that was sealed for another login is refused, and the attempt stays open",
  run: (stage) =>
    Effect.gen(function*() {
      const mine = request(stage, facts)
      const other = { ...mine, user: "another-person" }
      const invitations = [yield* stage.login.begin(mine), yield* stage.login.begin(other)]
      const locations = yield* Effect.forEach(invitations, (invitation) =>
        "url" in invitation ? stage.visit(invitation.url) : Effect.succeed(undefined))
      const answer = (index: number) =>
        Redacted.make(locations[index]?.href ?? "")
      assert.strictEqual((yield* Effect.exit(stage.login.complete(mine, answer(1))))._tag, "Failure")
      yield* stage.login.complete(mine, answer(0))
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
    })
}

const elsewhere: Scenario = {
  name: "a login at another platform goes there",
  about: ["relocate"],
  run: (stage) =>
    Effect.gen(function*() {
      const issuer = Emulator.OTHER_PLATFORM
      yield* Flows.browser(stage, facts, { issuer: Option.some(issuer) })
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage), issuer })
      assert.isTrue(stage.emulator.requests.every(({ url }) => url.startsWith(issuer)))
    })
}

export const mimocode: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: {},
  scenarios: [
    Logins.stores("a sealed key that the browser brings is stored", facts, Flows.browser),
    Logins.stores("a pasted address is stored", facts, Logins.pasteAddress),
    Logins.pastesAt(facts, Emulator.PAGE),
    Logins.anyPort(facts),
    Refreshes.traits(facts, Flows.browser, { rotates: false, margin: null, rotationGroup: null }),
    Refreshes.never(facts, Flows.browser),
    Refreshes.revokes(facts, Flows.browser, []),
    foreignKey,
    elsewhere,
    Logins.noTermsGate(facts, Flows.browser),
    Logins.notOffered(facts, ["device"])
  ],
  unobservable: {
    ...Unobservable.publicClient,
    ...Unobservable.knownClient,
    ...Unobservable.knownAccount,
    ...Unobservable.noRevocation,
    ...Unobservable.noDevice,
    ...Unobservable.noJson,
    ...Unobservable.because(
      "the browser brings the key, and nothing is ever posted",
      "tokenEndpoint: invented",
      "clientId: another",
      "clientSecretSource: invented",
      "scopes: one more",
      "exchangeEncoding: json",
      "stateInExchange: true",
      "refreshEncoding: json",
      "refreshParameters: one more",
      "refreshParameters: with scope",
      "headers: without user-agent",
      "headers: another user-agent",
      "errors: without invalid_grant",
      "siblingsRevoke: true"
    ),
    ...Unobservable.because(
      "what is sealed holds a key, its user and an address, and no time",
      "expiry: invented",
      "loginExpiresIn: invented"
    )
  }
}
