import { assert, describe, it } from "@effect/vitest"
import { Credential, Version } from "@lockstep/core/Credential"
import type { Evidence } from "@lockstep/core/Custody"
import * as Demand from "@lockstep/core/Demand"
import { ProcessIdentity } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Verdict from "@lockstep/core/Verdict"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as JournalChange from "../src/internal/journalChange.js"

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
const having = (fields: Partial<RefreshJournal.Intent>) =>
  JournalChange.update(empty, { intent: Option.some(intent(fields)) })

const kept = (fingerprint: string, attempt = "attempt-1") =>
  Option.some(RefreshJournal.CapturedAnswer.make({
    attempt,
    fingerprint,
    obtainedAt: NOW / 1_000,
    grant: Schema.decodeSync(TokenGrant)({ accessToken: "at-1", refreshToken: "rt-1" })
  }))

interface Scene extends Partial<Evidence> {
  readonly rotates?: boolean
  readonly demand?: Demand.Demand
  readonly expected?: Credential
  readonly since?: number
}

const questionOf = ({ demand, expected, rotates, since, ...evidence }: Scene = {}): Verdict.Question => ({
  evidence: {
    stored: storedOf(expired),
    journal: empty,
    kept: Option.none(),
    now: NOW,
    senderMayLive: false,
    ...evidence
  },
  demand: demand ?? Demand.make(),
  policy: RefreshPolicy.defaults,
  traits: () => ({ rotates: rotates ?? true, margin: Option.none(), rotationGroup: Option.none() }),
  fingerprint: (one) => Option.map(one.refreshToken, Redacted.value),
  expected: expected ?? expired,
  since: since ?? NOW
})

const judge = (scene?: Scene) => Verdict.of(questionOf(scene)).next

/** What happens next as one word. */
const told = (next: Verdict.Next): string =>
  next._tag === "Login" ? next.reason : next._tag === "Wait" ? next.why : next._tag

const rejected: Demand.Demand = {
  ...Demand.make(),
  otherThan: Option.some(Redacted.make("at-0")),
  purpose: "rejected"
}
const person: Demand.Demand = { ...rejected, purpose: "person" }
const storage: Demand.Demand = { ...rejected, purpose: "storage" }

const fresh = credential({ expires_at: NOW / 1_000 + 3_600, obtained_at: NOW / 1_000 })
const marked = JournalChange.mark(empty, "rt-0", "InvalidGrant", "invalid_grant", NOW)
const cooling = JournalChange.cool(empty, NOW, { retryAfter: Option.none(), jitter: 1 })
const coolingByServer = JournalChange.cool(empty, NOW, { retryAfter: Option.some(10_000), jitter: 1 })
const resting = JournalChange.rest(empty, "rt-0", NOW + 10_000, NOW)
const storm = [3, 2, 1].reduce((record, ago) => JournalChange.countRejection(record, NOW - ago), empty)

describe("what happens next", () => {
  const table: ReadonlyArray<readonly [string, string, Scene]> = [
    ["an expired credential", "Redeem", {}],
    ["a record that is gone", "Removed", { stored: Option.none() }],
    ["a record that another process refreshed", "Serve", { stored: storedOf(fresh) }],
    ["a fresh one that was rejected", "Redeem", { stored: storedOf(fresh), demand: rejected }],
    ["a fresh one where a person asks", "Redeem", { stored: storedOf(fresh), demand: person }],
    ["another account, even a fresh one", "OtherAccount", {
      stored: storedOf(credential({ ...Schema.encodeSync(Credential)(fresh), account: { id: "b" } })),
      expected: credential({ account: { id: "a" } })
    }],
    ["no refresh token", "NoRefreshToken", { stored: storedOf(credential({ refresh_token: null })) }],
    ["a kept answer to the stored token", "Store", { journal: having({ state: "consumed" }), kept: kept("rt-0") }],
    ["a kept answer whose intent still says `sending`", "Store", { journal: having({}), kept: kept("rt-0") }],
    ["a kept answer whose intent was lost", "Store", { kept: kept("rt-0") }],
    ["a kept answer to another token", "Redeem", { kept: kept("rt-9") }],
    ["a kept answer that is stored already", "Redeem", {
      stored: storedOf(credential({ last_redeem: "attempt-1" })),
      kept: kept("rt-0")
    }],
    ["a kept answer comes before a mark", "Store", { journal: marked, kept: kept("rt-0") }],
    ["a consumed token whose answer is gone", "RotationLost", { journal: having({ state: "consumed" }) }],
    ["a retired token", "Stale", { journal: JournalChange.retire(empty, "rt-0", 2, NOW) }],
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
    ["a kept answer comes before the end of the registration", "Store", {
      stored: storedOf(credential({ client_secret_expires_at: NOW / 1_000 })),
      kept: kept("rt-0")
    }],
    ["the end of the login comes before that of the registration", "LoginExpired", {
      stored: storedOf(credential({ login_expires_at: NOW / 1_000, client_secret_expires_at: NOW / 1_000 }))
    }],
    ["what another process refreshed is adopted, though its registration has ended", "Serve", {
      stored: storedOf(credential({ ...Schema.encodeSync(Credential)(fresh), client_secret_expires_at: 1 }))
    }],
    ["a fourth rejection within a minute", "Brake", { journal: storm, demand: rejected }],
    ["a storm is the rejecting caller's alone", "Redeem", { journal: storm }],
    ["a refused early refresh", "Rest", { journal: resting }],
    ["a rejected token does not let its refresh rest", "Redeem", { journal: resting, demand: rejected }],
    ["our own backoff", "Backoff", { journal: cooling }],
    ["our own backoff where a token was rejected", "Backoff", { journal: cooling, demand: rejected }],
    ["our own backoff where a person asks", "Redeem", { journal: cooling, demand: person }],
    ["a server's Retry-After where a person asks", "RetryAfter", { journal: coolingByServer, demand: person }],
    ["one unknown outcome", "Redeem", { journal: having({}) }],
    ["two unknown outcomes", "OutcomeUnknown", { journal: having({ sends: 2 }) }],
    ["two unknown outcomes where a person asks", "OutcomeUnknown", { journal: having({ sends: 2 }), demand: person }],
    ["two unknown outcomes where a person takes the risk", "Redeem", {
      journal: having({ sends: 2 }),
      demand: { ...person, acceptRisk: true }
    }],
    ["a vendor that never rotates has no unknown outcome", "Redeem", { journal: having({ sends: 2 }), rotates: false }],
    ["the end of the process, with an answer", "Store", { demand: storage, kept: kept("rt-0") }],
    ["the end of the process, without one: it redeems nothing", "Serve", { demand: storage }]
  ]
  for (const [what, expected, scene] of table) {
    it(`${what}: ${expected}`, () => assert.strictEqual(told(judge(scene)), expected))
  }
})

describe("a sender that may live although it holds the tenant no more", () => {
  const senderMayLive = true

  it("may still be at work: its retry waits for as long as its request can last", () => {
    const open = having({ at: NOW - 5_000 })
    assert.strictEqual(told(judge({ journal: open, senderMayLive })), "EarlierRequest")
    assert.strictEqual(told(judge({ journal: having({ at: NOW - 15_000 }), senderMayLive })), "Redeem")
    assert.strictEqual(told(judge({ journal: open })), "Redeem")
  })

  it("is waited for no longer where the end of its request is known", () => {
    const ended = having({ at: NOW - 5_000, endedAt: Option.some(NOW - 1_000) })
    assert.strictEqual(told(judge({ journal: ended, senderMayLive })), "Redeem")
  })

  it("may come back with its answer: while the access token is valid that is waited for", () => {
    const aging = storedOf(credential({ expires_at: NOW / 1_000 + 60, obtained_at: NOW / 1_000 - 3_540 }))
    const scene = { journal: having({ at: NOW - 60_000 }), stored: aging }
    assert.strictEqual(told(judge({ ...scene, senderMayLive })), "EarlierRequest")
    assert.strictEqual(told(judge(scene)), "Redeem")
    assert.strictEqual(told(judge({ ...scene, journal: having({ at: NOW - 300_000 }), senderMayLive })), "Redeem")
  })

  it("may hold the answer to a token that is known to be consumed: no person is asked for before that is over", () => {
    const consumed = (ago: number) => having({ state: "consumed", at: NOW - ago })
    assert.strictEqual(told(judge({ journal: consumed(5_000), senderMayLive })), "EarlierRequest")
    assert.strictEqual(told(judge({ journal: consumed(300_000), senderMayLive })), "RotationLost")
    assert.strictEqual(told(judge({ journal: consumed(5_000) })), "RotationLost")
  })
})

describe("a snapshot that was put back", () => {
  const journal = JournalChange.retire(empty, "rt-0", 2, NOW)

  it("does not cost the answer that was kept meanwhile", () => {
    assert.strictEqual(told(judge({ journal, kept: kept("rt-9") })), "Store")
  })

  it("brings back no answer that was stored already", () => {
    const stored = JournalChange.update(journal, { lastRedeem: Option.some("attempt-1") })
    assert.strictEqual(told(judge({ journal: stored, kept: kept("rt-9") })), "Stale")
  })
})

describe("an answer that left its refresh token as it was", () => {
  const keeping = (obtainedAt: number, over = Option.none<string>()) =>
    Option.some(RefreshJournal.CapturedAnswer.make({
      attempt: "attempt-1",
      fingerprint: "rt-0",
      over,
      obtainedAt,
      grant: Schema.decodeSync(TokenGrant)({ accessToken: "at-1" })
    }))
  const at = NOW / 1_000 - 3_601

  it("is stored over an older record, and over no newer one", () => {
    assert.strictEqual(told(judge({ kept: keeping(at + 1) })), "Store")
    assert.strictEqual(told(judge({ kept: keeping(at - 1) })), "Redeem")
  })

  it("is told from another attempt's record where the store keeps no times and the journal tells", () => {
    const stored = storedOf(credential({ obtained_at: null }))
    const journal = JournalChange.update(empty, { lastRedeem: Option.some("attempt-2") })
    assert.strictEqual(told(judge({ stored, journal, kept: keeping(at) })), "Redeem")
    assert.strictEqual(told(judge({ stored, journal, kept: keeping(at, Option.some("attempt-2")) })), "Store")
  })

  it("is stored over the record that it was given for, also where a clock that was set back makes that one seem newer", () => {
    const stored = storedOf(credential({ last_redeem: "attempt-0" }))
    assert.strictEqual(told(judge({ stored, kept: keeping(at - 75, Option.some("attempt-0")) })), "Store")
  })

  it("is told from another attempt's record of the same second", () => {
    const stored = storedOf(credential({ last_redeem: "attempt-2" }))
    assert.strictEqual(told(judge({ stored, kept: keeping(at) })), "Redeem")
    assert.strictEqual(told(judge({ stored, kept: keeping(at, Option.some("attempt-2")) })), "Store")
  })
})

describe("when the one retry may be sent", () => {
  const notBefore = (fields: Partial<RefreshJournal.Intent>, since = NOW) => {
    const decision = judge({ journal: having(fields), since })
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

  it("quietTime after the lock was taken also where the request seems long ago: the machine may have slept", () => {
    assert.strictEqual(notBefore({ at: NOW - 60_000 }), QUIET)
  })

  it("at once where a process noted the end of its request long ago", () => {
    assert.strictEqual(notBefore({ at: NOW - 60_000, endedAt: Option.some(NOW - 50_000) }), QUIET - 50_000)
  })

  it("quietTime after the lock was taken where the clock went back", () => {
    assert.strictEqual(notBefore({ at: NOW + 3_600_000 }), QUIET)
    assert.strictEqual(notBefore({ endedAt: Option.some(NOW + 3_600_000) }), QUIET)
  })

  it("no later where the clock went back between the lock and the read: a hold has a bound", () => {
    assert.strictEqual(notBefore({ at: NOW + 3_600_000 }, NOW + 3_600_000), QUIET)
  })

  it("at any time after an answered 5xx, which is on its way no more", () => {
    assert.isNull(notBefore({ sends: 0, ambiguous: true }))
  })

  it("carries the earlier request along", () => {
    const decision = judge({ journal: having({}) })
    assert.strictEqual(decision._tag === "Redeem" ? Option.getOrNull(decision.previous)?.sends : null, 1)
  })
})

describe("a login is alive", () => {
  const isAlive = (scene: Scene) => {
    const { expected: _, ...question } = questionOf(scene)
    return Verdict.isAlive(question)
  }

  it("unless a refresh would send a person to log in", () => {
    const over: ReadonlyArray<Scene> = [
      { stored: storedOf(credential({ refresh_token: null })) },
      { journal: marked },
      { journal: JournalChange.retire(empty, "rt-0", 2, NOW) },
      { journal: having({ state: "consumed" }) },
      { journal: having({ sends: 2 }) },
      { stored: storedOf(credential({ login_expires_at: NOW / 1_000 })) },
      { stored: storedOf(credential({ client_secret_expires_at: NOW / 1_000 })) }
    ]
    const live: ReadonlyArray<Scene> = [
      {},
      { stored: storedOf(fresh) },
      { journal: having({}) },
      { journal: cooling },
      { journal: coolingByServer },
      { journal: resting },
      { journal: having({ state: "consumed" }), kept: kept("rt-0") },
      { journal: having({ sends: 2 }), rotates: false }
    ]
    assert.deepStrictEqual(over.map(isAlive), over.map(() => false))
    assert.deepStrictEqual(live.map(isAlive), live.map(() => true))
  })
})
