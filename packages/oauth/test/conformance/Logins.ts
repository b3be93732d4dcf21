import { assert } from "@effect/vitest"
import type { LoginRequest } from "@lockstep/oauth/Login"
import { Treatment } from "@lockstep/testkit/vendors/AnswerScript"
import type { Finding } from "@lockstep/testkit/vendors/DeviceAttempts"
import type { Reply } from "@lockstep/testkit/vendors/VendorServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Flows from "./Flows.js"
import { checkRecord, type Facts, fails, plain, request, type Scenario, seconds, stored } from "./Scenario.js"
import type { Stage } from "./Stage.js"

/** Any way to log in. */
export type Way = (stage: Stage, facts: Facts, overrides?: Partial<LoginRequest>) => Effect.Effect<unknown, unknown>

/** A paste of the whole address. */
export const pasteAddress: Way = (stage, facts, overrides) =>
  Flows.paste(stage, facts, (location) => location.href, overrides)

/** A paste of what a vendor's page shows. */
export const pasteCodeAndState: Way = (stage, facts, overrides) =>
  Flows.paste(
    stage,
    facts,
    ({ searchParams }) => `${searchParams.get("code")}#${searchParams.get("state")}`,
    overrides
  )

/** A paste of the code alone. */
export const pasteCode: Way = (stage, facts, overrides) =>
  Flows.paste(stage, facts, ({ searchParams }) => searchParams.get("code") ?? "", overrides)

const nothingStored = (stage: Stage, facts: Facts) =>
  Effect.map(stage.store.get(facts.tenant), (found) => assert.isTrue(Option.isNone(found), "nothing is stored"))

/**
 * Logs in, and finds all that the vendor told in the record.
 */
export const stores = (
  name: string,
  facts: Facts,
  way: Way,
  about: NonNullable<Scenario["about"]> = []
): Scenario => ({
  name,
  about,
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
      assert.isTrue(stage.port.pages.every(({ outcome }) => outcome === "Done"), "the page says so")
    })
})

/**
 * The person says no in the browser.
 */
export const denied = (facts: Facts): Scenario => ({
  about: ["authorizationEndpoint"],
  name: "a person who says no in the browser stores nothing",
  run: (stage) =>
    Effect.gen(function*() {
      stage.emulator.person.agrees = false
      yield* fails(Flows.browser(stage, facts), "LoginFailed Denied")
      assert.deepStrictEqual(stage.port.pages.map(({ outcome }) => outcome), ["Failed"])
      yield* nothingStored(stage, facts)
    })
})

/**
 * The device login's errors that do not end it.
 */
export const deviceEnds = (facts: Facts, ends: ReadonlyArray<"Denied" | "Expired">): ReadonlyArray<Scenario> =>
  ends.map((end) => ({
    about: ["device"],
    name: `a device login that ends with ${end} stores nothing`,
    run: (stage) =>
      Effect.gen(function*() {
        stage.emulator.devices.plan = ["Pending", end]
        yield* fails(Flows.device(stage, facts), `LoginFailed ${end}`)
        yield* nothingStored(stage, facts)
      })
  }))

/**
 * Polls at the pace that the server asks for, whatever it answers until the person agrees.
 */
export const devicePace = (facts: Facts, plan: ReadonlyArray<Finding>): Scenario => ({
  about: ["device", "deviceAuthorizationEndpoint"],
  name: `polls through ${plan.join(", ")}`,
  run: (stage) =>
    Effect.gen(function*() {
      stage.emulator.devices.plan = plan
      yield* Flows.device(stage, facts)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
    })
})

/**
 * The device login in steps, as a relay drives it.
 */
export const deviceInSteps = (facts: Facts): Scenario => ({
  name: "a device login can be polled step by step",
  run: (stage) =>
    Effect.gen(function*() {
      const wanted = request(stage, facts)
      yield* stage.login.beginDevice(wanted)
      const pause = (stage.emulator.devices.interval + 1) * 1_000
      stage.clock.advanceTo(stage.clock.now() + pause)
      yield* fails(stage.login.poll(wanted), "LoginFailed AuthorizationPending")
      stage.clock.advanceTo(stage.clock.now() + pause)
      yield* stage.login.poll(wanted)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage) })
    })
})

/**
 * Answers to the code, in the order in which they are tried, and what comes of each.
 */
export const exchangeRefusals = (
  facts: Facts,
  refusals: ReadonlyArray<readonly [string, Reply, string]>
): Scenario => ({
  about: ["exchangeEncoding"],
  name: "a refused code ends as the refusal says, and stores nothing",
  run: (stage) =>
    Effect.forEach(refusals, ([, reply, expected]) =>
      Effect.gen(function*() {
        stage.emulator.script.next("exchange", Treatment.Instead({ reply }))
        yield* fails(Flows.browser(stage, facts), expected)
        yield* nothingStored(stage, facts)
      }), { discard: true })
})

/**
 * How a poll of the device login is refused: what is stored, and how it ends.
 */
export const pollRefusals = (
  facts: Facts,
  refusals: ReadonlyArray<readonly [string, Reply, string]>
): Scenario => ({
  about: ["device"],
  name: "a refused poll ends as the refusal says, and stores nothing",
  run: (stage) =>
    Effect.forEach(refusals, ([, reply, expected]) =>
      Effect.gen(function*() {
        stage.emulator.script.next("poll", Treatment.Instead({ reply }))
        yield* fails(Flows.device(stage, facts), expected)
        yield* nothingStored(stage, facts)
      }), { discard: true })
})

/**
 * A client of one's own, by the variables that name it.
 */
export const clientId = (facts: Facts, variable: string, way: Way): Scenario => ({
  about: ["clientId", "clientIdVariables"],
  name: `${variable} names the client`,
  environment: { [variable]: "client-of-ones-own" },
  emulator: { clientId: "client-of-ones-own" },
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      yield* checkRecord(stage, facts, { loggedInAt: seconds(stage), clientId: "client-of-ones-own" })
      yield* stage.coordinator.refresh(facts.tenant)
      assert.strictEqual(Option.getOrNull((yield* stored(stage, facts)).clientId), "client-of-ones-own")
    })
})

/**
 * Every method that the vendor does not have, with what it would need.
 */
export const notOffered = (
  facts: Facts,
  methods: ReadonlyArray<"browser" | "paste" | "device">
): Scenario => ({
  about: ["methods"],
  name: `offers no ${methods.join(", no ")}`,
  run: (stage) =>
    Effect.gen(function*() {
      const wanted = request(stage, facts)
      for (const method of methods) {
        const flow: Effect.Effect<unknown, unknown> = method === "browser"
          ? Flows.browser(stage, facts)
          : method === "paste"
          ? stage.login.begin(wanted)
          : Flows.device(stage, facts)
        yield* fails(flow, "LoginUnavailable MethodNotOffered")
      }
      assert.deepStrictEqual(stage.emulator.requests.map(({ url }) => url), [])
    })
})

/**
 * The terms reserve this login: without a person's word nothing is sent.
 */
export const termsGate = (facts: Facts, way: Way): Scenario => ({
  about: ["terms"],
  name: "asks for the terms before anything is sent",
  run: (stage) =>
    Effect.gen(function*() {
      const other = { ...facts, tenant: `${facts.tenant}@other` as Facts["tenant"] }
      yield* fails(way(stage, other), "LoginUnavailable TermsNotAccepted")
      assert.deepStrictEqual(stage.emulator.requests.map(({ url }) => url), [])
      yield* stage.settings.acceptTerms(other.tenant, stage.vendor.id)
      yield* way(stage, other)
    })
})

/**
 * The terms reserve nothing: no person is asked.
 */
export const noTermsGate = (facts: Facts, way: Way): Scenario => ({
  about: ["terms"],
  name: "asks for no terms",
  run: (stage) => Effect.asVoid(way(stage, { ...facts, tenant: `${facts.tenant}@other` as Facts["tenant"] }))
})

/**
 * The fixed ports in their order, and then no more.
 */
export const fixedPorts = (facts: Facts, ports: ReadonlyArray<number>): Scenario => ({
  about: ["redirect"],
  name: `listens on ${ports.join(", then ")}, and on no other port`,
  run: (stage) =>
    Effect.gen(function*() {
      for (const port of ports) {
        yield* Flows.browser(stage, facts, { replace: true })
        const last = stage.emulator.requests.filter(({ query }) => query.has("redirect_uri")).at(-1)
        assert.strictEqual(new URL(last?.query.get("redirect_uri") ?? "http://nowhere").port, String(port))
        stage.port.taken.add(port)
      }
      yield* fails(Flows.browser(stage, facts, { replace: true }), "LoginUnavailable PortsTaken")
    })
})

/**
 * Any free port will do.
 */
export const anyPort = (facts: Facts): Scenario => ({
  about: ["redirect"],
  name: "listens on any free port",
  run: (stage) =>
    Effect.suspend(() => {
      stage.port.isCrowded = true
      return Effect.asVoid(Flows.browser(stage, facts))
    })
})

/**
 * A client secret that was not brought.
 */
export const missingSecret = (facts: Facts, variable: string): Scenario => ({
  about: ["clientSecretSource"],
  name: "says that the client secret is missing before anything is sent",
  environment: { [variable]: "" },
  run: (stage) =>
    Effect.gen(function*() {
      yield* fails(Flows.browser(stage, facts), "LoginUnavailable ClientSecretMissing")
      yield* fails(stage.login.begin(request(stage, facts)), "LoginUnavailable ClientSecretMissing")
      assert.deepStrictEqual(stage.emulator.requests.map(({ url }) => url), [])
    })
})

/**
 * A client secret that a person stored.
 */
export const secretOfSettings = (facts: Facts, variable: string, secret: string): Scenario => ({
  about: ["clientSecretSource"],
  name: "finds the client secret that was stored once",
  environment: { [variable]: "" },
  run: (stage) =>
    Effect.gen(function*() {
      yield* stage.settings.setClientSecret(stage.vendor.id, Redacted.make(secret))
      yield* Flows.browser(stage, facts)
      yield* stage.coordinator.refresh(facts.tenant)
    })
})

/**
 * The vendor's own page shows the answer to a person without a browser here.
 */
export const pastesAt = (facts: Facts, page: string): Scenario => ({
  about: ["redirect"],
  name: "sends a browser elsewhere to the vendor's page",
  run: (stage) =>
    Effect.gen(function*() {
      const invitation = yield* stage.login.begin(request(stage, facts))
      const url = invitation._tag === "Device" ? "http://nowhere" : invitation.url
      assert.strictEqual(new URL(url).searchParams.get("redirect_uri"), page)
    })
})

/**
 * No copy of the client secret lies in the record: who replaces it, replaces it for all logins.
 */
export const secretStaysOut = (facts: Facts): Scenario => ({
  about: ["clientSecretSource"],
  name: "keeps the client secret out of the record",
  run: (stage) =>
    Effect.gen(function*() {
      yield* Flows.browser(stage, facts)
      assert.isNull(plain((yield* stored(stage, facts)).clientSecret))
    })
})
