import { assert, describe, it } from "@effect/vitest"
import { Credential, Version } from "@lockstep/core/Credential"
import { ProcessIdentity } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Decision from "../../src/internal/decision.js"
import * as Ledger from "../../src/internal/ledger.js"
import * as Wanted from "../../src/internal/wanted.js"

const tenant = TenantId.make("codex")
const NOW = 1_790_000_000_000
const QUIET = 2_000

const credential = (fields: object = {}): Credential =>
  Schema.decodeUnknownSync(Credential)({
    access_token: "at-0",
    refresh_token: "rt-0",
    expires_at: NOW / 1_000 - 1,
    obtained_at: NOW / 1_000 - 3_601,
    generation: 1,
    ...fields
  })
const expired = credential()
const storedOf = (one: Credential) => Option.some({ credential: one, version: Version("1") })

const intent = (fields: Partial<RefreshJournal.Intent> = {}) =>
  RefreshJournal.Intent.make({
    attempt: "attempt-1",
    version: "1",
    fingerprint: "rt-0",
    state: "sending",
    sends: 1,
    ambiguous: false,
    at: NOW - 5_000,
    endedAt: Option.none(),
    by: ProcessIdentity.make({ pid: 2, startTime: "0", bootId: "boot", command: "test" }),
    ...fields
  })
const empty = RefreshJournal.empty(tenant)
const having = (fields: Partial<RefreshJournal.Intent>) => Ledger.update(empty, { intent: Option.some(intent(fields)) })

const kept = (fingerprint: string, attempt = "attempt-1") =>
  Option.some(RefreshJournal.CapturedAnswer.make({
    attempt,
    fingerprint,
    obtainedAt: NOW / 1_000,
    grant: Schema.decodeSync(TokenGrant)({ accessToken: "at-1", refreshToken: "rt-1" })
  }))

const evidenceOf = (
  evidence: Partial<Decision.Evidence> & { readonly rotates?: boolean } = {}
): Decision.Evidence => ({
  tenant,
  location: "memory",
  stored: storedOf(expired),
  journal: empty,
  kept: Option.none(),
  fingerprint: (one) => Option.map(one.refreshToken, Redacted.value),
  traits: () => ({ rotates: evidence.rotates ?? true, margin: Option.none(), rotationGroup: Option.none() }),
  policy: RefreshPolicy.defaults,
  wanted: Wanted.fromDemand(),
  hint: expired,
  now: NOW,
  acquiredAt: NOW,
  ...evidence
})

const decide = (evidence?: Parameters<typeof evidenceOf>[0]) => Decision.decide(evidenceOf(evidence))

/** A decision as one word, or two. */
const told = (decision: Decision.Decision): string =>
  decision._tag !== "Stop"
    ? decision._tag
    : "reason" in decision.error
    ? decision.error.reason
    : decision.error._tag

const rejected: Wanted.Wanted = {
  ...Wanted.fromDemand(),
  notToken: Option.some(Redacted.make("at-0")),
  cause: "rejected"
}
const person: Wanted.Wanted = { ...rejected, cause: "person" }
const drain: Wanted.Wanted = { ...rejected, cause: "drain" }

const fresh = credential({ expires_at: NOW / 1_000 + 3_600, obtained_at: NOW / 1_000 })
const marked = Ledger.mark(empty, "rt-0", "InvalidGrant", "invalid_grant", NOW)
const cooling = Ledger.cool(empty, NOW, { retryAfter: Option.none(), jitter: 1 })
const coolingByServer = Ledger.cool(empty, NOW, { retryAfter: Option.some(10_000), jitter: 1 })
const resting = Ledger.rest(empty, "rt-0", NOW + 10_000, NOW)
const storm = [3, 2, 1].reduce((record, ago) => Ledger.countRejection(record, NOW - ago), empty)

describe("what the holder of the lock does", () => {
  const table: ReadonlyArray<readonly [string, string, Parameters<typeof decide>[0]]> = [
    ["an expired credential", "Redeem", {}],
    ["a record that is gone", "Removed", { stored: Option.none() }],
    ["a record that somebody refreshed", "Adopt", { stored: storedOf(fresh) }],
    ["a fresh one that was rejected", "Redeem", { stored: storedOf(fresh), wanted: rejected }],
    ["a fresh one where a person asks", "Redeem", { stored: storedOf(fresh), wanted: person }],
    ["another account, even a fresh one", "Superseded", {
      stored: storedOf(credential({ ...Schema.encodeSync(Credential)(fresh), account: { id: "b" } })),
      hint: credential({ account: { id: "a" } })
    }],
    ["no refresh token", "NoRefreshToken", { stored: storedOf(credential({ refresh_token: null })) }],
    ["a kept answer to the stored token", "Recover", { journal: having({ state: "consumed" }), kept: kept("rt-0") }],
    ["a kept answer whose intent still says `sending`", "Recover", { journal: having({}), kept: kept("rt-0") }],
    ["a kept answer whose intent was lost", "Recover", { kept: kept("rt-0") }],
    ["a kept answer to another token", "Redeem", { kept: kept("rt-9") }],
    ["a kept answer that is stored already", "Redeem", {
      stored: storedOf(credential({ last_redeem: "attempt-1" })),
      kept: kept("rt-0")
    }],
    ["a kept answer comes before a mark", "Recover", { journal: marked, kept: kept("rt-0") }],
    ["a consumed token whose answer is gone", "RotationLost", { journal: having({ state: "consumed" }) }],
    ["a retired token", "Stale", { journal: Ledger.retire(empty, "rt-0", 2, NOW) }],
    ["a marked token", "InvalidGrant", { journal: marked }],
    ["a mark of another token", "Redeem", { journal: marked, stored: storedOf(credential({ refresh_token: "rt-1" })) }],
    ["a login that has reached its end", "LoginExpired", {
      stored: storedOf(credential({ login_expires_at: NOW / 1_000 }))
    }],
    ["a client registration that has ended", "RegistrationExpired", {
      stored: storedOf(credential({ client_secret_expires_at: NOW / 1_000 }))
    }],
    ["a client registration that ends in a second", "Redeem", {
      stored: storedOf(credential({ client_secret_expires_at: NOW / 1_000 + 1 }))
    }],
    ["a kept answer comes before the end of the registration", "Recover", {
      stored: storedOf(credential({ client_secret_expires_at: NOW / 1_000 })),
      kept: kept("rt-0")
    }],
    ["the end of the login comes before that of the registration", "LoginExpired", {
      stored: storedOf(credential({ login_expires_at: NOW / 1_000, client_secret_expires_at: NOW / 1_000 }))
    }],
    ["what somebody refreshed is adopted, though its registration has ended", "Adopt", {
      stored: storedOf(credential({ ...Schema.encodeSync(Credential)(fresh), client_secret_expires_at: 1 }))
    }],
    ["a fourth rejection within a minute", "FreshTokenRejected", { journal: storm, wanted: rejected }],
    ["a storm is the rejecting caller's alone", "Redeem", { journal: storm }],
    ["a refused early refresh", "Cooldown", { journal: resting }],
    ["a rejected token does not let its refresh rest", "Redeem", { journal: resting, wanted: rejected }],
    ["our own backoff", "Cooldown", { journal: cooling }],
    ["our own backoff where a token was rejected", "Cooldown", { journal: cooling, wanted: rejected }],
    ["our own backoff where a person asks", "Redeem", { journal: cooling, wanted: person }],
    ["a server's Retry-After where a person asks", "Cooldown", { journal: coolingByServer, wanted: person }],
    ["one unknown outcome", "Redeem", { journal: having({}) }],
    ["two unknown outcomes", "OutcomeUnknown", { journal: having({ sends: 2 }) }],
    ["two unknown outcomes where a person asks", "OutcomeUnknown", { journal: having({ sends: 2 }), wanted: person }],
    ["two unknown outcomes where a person takes the risk", "Redeem", {
      journal: having({ sends: 2 }),
      wanted: { ...person, acceptRisk: true }
    }],
    ["a vendor that never rotates has no unknown outcome", "Redeem", { journal: having({ sends: 2 }), rotates: false }],
    ["the end of the process, with an answer", "Recover", { wanted: drain, kept: kept("rt-0") }],
    ["the end of the process, without one: it redeems nothing", "Adopt", { wanted: drain }]
  ]
  for (const [what, expected, evidence] of table) {
    it(`${what}: ${expected}`, () => assert.strictEqual(told(decide(evidence)), expected))
  }
})

describe("when the one retry may be sent", () => {
  const notBefore = (fields: Partial<RefreshJournal.Intent>, acquiredAt = NOW) => {
    const decision = decide({ journal: having(fields), acquiredAt })
    return decision._tag === "Redeem"
      ? Option.getOrNull(Option.map(decision.notBefore, (at) => at - NOW))
      : "no redemption"
  }

  it("quietTime after the connection is known to have ended", () => {
    assert.strictEqual(notBefore({ endedAt: Option.some(NOW - 1_000) }), QUIET - 1_000)
  })

  it("quietTime after the lock was taken from a dead process, whose request ended by then", () => {
    assert.strictEqual(notBefore({ at: NOW - 5_000 }), QUIET)
    assert.strictEqual(notBefore({ at: NOW - 5_000 }, NOW - 500), QUIET - 500)
  })

  it("at once where the request is longer ago than any request may last", () => {
    assert.strictEqual(notBefore({ at: NOW - 60_000 }), 15_000 - 60_000 + QUIET)
  })

  it("quietTime after the lock was taken where the clock went back", () => {
    assert.strictEqual(notBefore({ at: NOW + 3_600_000 }), QUIET)
    assert.strictEqual(notBefore({ endedAt: Option.some(NOW + 3_600_000) }), QUIET)
  })

  it("at any time after an answered 5xx, which is on its way no more", () => {
    assert.isNull(notBefore({ sends: 0, ambiguous: true }))
  })

  it("carries the earlier request along", () => {
    const decision = decide({ journal: having({}) })
    assert.strictEqual(decision._tag === "Redeem" ? Option.getOrNull(decision.previous)?.sends : null, 1)
  })
})

describe("a login is over", () => {
  const isOver = (evidence: Partial<Decision.Evidence> & { readonly rotates?: boolean } = {}) =>
    Decision.isOver(Option.getOrThrow(evidence.stored ?? storedOf(expired)), evidenceOf(evidence))

  it("where a refresh would send a person to log in, and nowhere else", () => {
    const over: ReadonlyArray<Parameters<typeof isOver>[0]> = [
      { stored: storedOf(credential({ refresh_token: null })) },
      { journal: marked },
      { journal: Ledger.retire(empty, "rt-0", 2, NOW) },
      { journal: having({ state: "consumed" }) },
      { journal: having({ sends: 2 }) },
      { stored: storedOf(credential({ login_expires_at: NOW / 1_000 })) },
      { stored: storedOf(credential({ client_secret_expires_at: NOW / 1_000 })) }
    ]
    const live: ReadonlyArray<Parameters<typeof isOver>[0]> = [
      {},
      { stored: storedOf(fresh) },
      { journal: having({}) },
      { journal: cooling },
      { journal: coolingByServer },
      { journal: resting },
      { journal: having({ state: "consumed" }), kept: kept("rt-0") },
      { journal: having({ sends: 2 }), rotates: false }
    ]
    assert.deepStrictEqual(over.map(isOver), over.map(() => true))
    assert.deepStrictEqual(live.map(isOver), live.map(() => false))
  })
})
