import { assert } from "@effect/vitest"
import { Credential } from "@lockstep/core/Credential"
import type { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import { Treatment } from "@lockstep/testkit/vendors/AnswerScript"
import { json, type Reply } from "@lockstep/testkit/vendors/VendorServer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Way } from "./Logins.js"
import { checkRecord, type Facts, fails, plain, type Scenario, seconds, stored } from "./Scenario.js"
import type { Stage } from "./Stage.js"

const later = (stage: Stage, seconds: number) => stage.clock.advanceTo(stage.clock.now() + seconds * 1_000)

const redeem = (stage: Stage, facts: Facts, record: Credential) =>
  Effect.flatMap(stage.endpoint.prepare(facts.tenant, record), (prepared) => prepared.redeem(Duration.seconds(15)))

/** Names an answer with what a table can compare. Waiting times are in milliseconds. */
const verdict = (answer: RedeemAnswer): string =>
  "reason" in answer
    ? `${answer._tag} ${answer.reason}`
    : "retryAfter" in answer && Option.isSome(answer.retryAfter)
    ? `${answer._tag} ${answer.retryAfter.value}`
    : answer._tag

/**
 * Refreshes twice, and finds new tokens, and everything else as it was.
 */
export const renews = (facts: Facts, way: Way): Scenario => ({
  about: ["tokenEndpoint", "refreshEncoding", "refreshParameters", "renewal"],
  name: facts.refreshToken === "Rotates" ? "a refresh rotates the refresh token" : "a refresh keeps the refresh token",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const loggedInAt = seconds(stage)
      for (const _ of [1, 2]) {
        const before = yield* stored(stage, facts)
        later(stage, 600)
        yield* stage.coordinator.refresh(facts.tenant)
        const after = yield* checkRecord(stage, facts, { loggedInAt })
        assert.notStrictEqual(plain(after.accessToken), plain(before.accessToken))
        const isKept = plain(after.refreshToken) === plain(before.refreshToken)
        assert.strictEqual(isKept, facts.refreshToken === "Stays")
      }
    })
})

/**
 * Answers that leave members out, and what the record then says. `expiry` where something else tells it.
 */
export const keeps = (
  facts: Facts,
  way: Way,
  omitted: ReadonlyArray<{ readonly members: ReadonlyArray<string>; readonly expires?: "Unknown" }>
): Scenario => ({
  about: ["expiry"],
  name: "keeps what an answer leaves out",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const loggedInAt = seconds(stage)
      for (const { expires, members } of omitted) {
        const before = yield* stored(stage, facts)
        later(stage, 60)
        stage.emulator.script.next("refresh", Treatment.Without({ members }))
        yield* stage.coordinator.refresh(facts.tenant)
        const after = yield* checkRecord(stage, { ...facts, ...expires === "Unknown" ? { lifetime: null } : {} }, {
          loggedInAt
        })
        assert.notStrictEqual(plain(after.accessToken), plain(before.accessToken))
      }
      // The token that was kept is the one that works.
      yield* stage.coordinator.refresh(facts.tenant)
    })
})

/**
 * Answers to a refresh token, and what each says about it. None of them spends it.
 */
export const refusals = (
  facts: Facts,
  way: Way,
  table: Readonly<Record<string, readonly [Reply, string]>>
): Scenario => ({
  about: ["errors", "statuses"],
  name: "reads every refusal for what it says about the refresh token",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const record = yield* stored(stage, facts)
      const found: Record<string, string> = {}
      for (const [name, [reply]] of Object.entries(table)) {
        stage.emulator.script.next("refresh", Treatment.Instead({ reply }))
        found[name] = verdict(yield* redeem(stage, facts, record))
      }
      assert.deepStrictEqual(found, Object.fromEntries(Object.entries(table).map(([name, [, said]]) => [name, said])))
      assert.strictEqual(verdict(yield* redeem(stage, facts, record)), "Granted")
    })
})

/**
 * Answers that tell the end of an access token in several ways, or in one. Seconds from now; `null` where none counts.
 */
export const expiries = (
  facts: Facts,
  way: Way,
  table: ReadonlyArray<readonly [members: (now: number) => Readonly<Record<string, unknown>>, expected: number | null]>
): Scenario => ({
  about: ["expiry", "loginExpiresIn"],
  name: "reads the end of an access token where the vendor tells it",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const record = yield* stored(stage, facts)
      const now = seconds(stage)
      for (const [members, expected] of table) {
        stage.emulator.script.next("refresh", Treatment.Instead({ reply: json(200, members(now)) }))
        const answer = yield* redeem(stage, facts, record)
        assert.strictEqual(answer._tag, "Granted")
        const found = answer._tag === "Granted" ? Option.getOrNull(answer.grant.expiresAt) : null
        assert.strictEqual(found, expected === null ? null : now + expected)
      }
    })
})

/**
 * An answer without an access token may hide that the token was spent.
 */
export const withoutAccessToken = (facts: Facts, way: Way, member: string): Scenario => ({
  name: "an answer without an access token proves nothing",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      stage.emulator.script.next("refresh", Treatment.Without({ members: [member] }))
      assert.strictEqual(verdict(yield* redeem(stage, facts, yield* stored(stage, facts))), "Unknown")
    })
})

/**
 * A refresh token that was used up ends the login, and all that came of it.
 */
export const reuse = (facts: Facts, way: Way): Scenario => ({
  name: "a refresh token that comes back is refused for good, and takes its family along",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const first = yield* stored(stage, facts)
      yield* stage.coordinator.refresh(facts.tenant)
      assert.strictEqual(verdict(yield* redeem(stage, facts, first)), "Terminal InvalidGrant")
      yield* fails(stage.coordinator.refresh(facts.tenant), "ReauthorizationRequired InvalidGrant")
    })
})

/**
 * What the transaction is told about the vendor before it asks.
 */
export const traits = (
  facts: Facts,
  way: Way,
  expected: { readonly rotates: boolean; readonly margin: number | null; readonly rotationGroup: string | null }
): Scenario => ({
  about: ["rotates", "siblingsRevoke", "margin"],
  name: "tells rotation, margin and rotation group",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const { margin, rotates, rotationGroup } = stage.endpoint.traits(facts.tenant, yield* stored(stage, facts))
      assert.deepStrictEqual(
        { rotates, margin: Option.getOrNull(margin), rotationGroup: Option.getOrNull(rotationGroup) },
        expected
      )
    })
})

/**
 * An access token is served until the vendor's margin, and not beyond. Seconds.
 */
export const margin = (facts: Facts, way: Way, margin: number): Scenario => ({
  name: `refreshes ${margin} seconds before the access token ends, and not earlier`,
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const { accessToken, expiresAt } = yield* stored(stage, facts)
      const served = Effect.map(
        stage.coordinator.accessToken(facts.tenant),
        ({ token }) => Redacted.value(token) === plain(accessToken)
      )
      stage.clock.advanceTo((Option.getOrThrow(expiresAt) - margin) * 1_000 - 1_000)
      assert.isTrue(yield* served, "served a second before")
      stage.clock.advanceTo((Option.getOrThrow(expiresAt) - margin) * 1_000 + 1_000)
      assert.isFalse(yield* served, "refreshed a second after")
    })
})

/**
 * A login whose vendor renews nothing.
 */
export const never = (facts: Facts, way: Way): Scenario => ({
  about: ["renewal"],
  name: "there is nothing to refresh, and the server is not asked",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const asked = stage.emulator.requests.length
      assert.strictEqual((yield* Effect.exit(stage.coordinator.refresh(facts.tenant)))._tag, "Failure")
      // Also where a token was put into the record by hand.
      const record = Credential.make({ ...yield* stored(stage, facts), refreshToken: Option.some(Redacted.make("r")) })
      assert.strictEqual((yield* Effect.exit(redeem(stage, facts, record)))._tag, "Failure")
      assert.strictEqual(stage.emulator.requests.length, asked)
    })
})

/**
 * The login ends on a day that no refresh moves.
 */
export const loginDeadline = (facts: Facts, way: Way): Scenario => ({
  about: ["loginExpiresIn"],
  name: "a login past its own end is not refreshed",
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const { loginExpiresAt } = yield* stored(stage, facts)
      stage.clock.advanceTo((Option.getOrThrow(loginExpiresAt) + 1) * 1_000)
      const asked = stage.emulator.requests.length
      yield* fails(stage.coordinator.accessToken(facts.tenant), "ReauthorizationRequired LoginExpired")
      assert.strictEqual(stage.emulator.requests.length, asked)
    })
})

/**
 * A logout at the server, where the vendor has one.
 */
export const revokes = (facts: Facts, way: Way, tokens: ReadonlyArray<"access_token" | "refresh_token">): Scenario => ({
  about: ["revocation", "revocationEndpoint"],
  name: tokens.length === 0 ? "has no way to revoke, and tries none" : `a logout revokes ${tokens.join(" and ")}`,
  run: (stage) =>
    Effect.gen(function*() {
      yield* way(stage, facts)
      const { accessToken, refreshToken } = yield* stored(stage, facts)
      const asked = stage.emulator.requests.length
      const others = () => stage.emulator.requests.slice(asked).filter(({ url }) => !url.includes("/.well-known/"))
      const { revoked } = yield* stage.writer.remove(facts.tenant, { revoke: true })
      const isLive = (token: typeof accessToken) => stage.emulator.isLive(plain(token) ?? "")
      if (tokens.length === 0) {
        assert.strictEqual(revoked._tag, "Unsupported")
        assert.deepStrictEqual(others().map(({ url }) => url), [])
        return
      }
      assert.strictEqual(revoked._tag, "Revoked")
      assert.isFalse(tokens.includes("refresh_token") && isLive(refreshToken), "the refresh token is dead")
      assert.isFalse(tokens.includes("access_token") && isLive(accessToken), "the access token is dead")
    })
})
