import { assert, describe, it } from "@effect/vitest"
import { Credential } from "@lockstep/core/Credential"
import { ProcessIdentity } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as JournalChange from "../../src/internal/journalChange.js"

const self = ProcessIdentity.make({ pid: 1, startTime: "0", bootId: "boot", command: "test" })
const empty = RefreshJournal.empty(TenantId.make("codex"))
const NOW = 1_790_000_000_000

const intent = (fields: Partial<RefreshJournal.Intent> = {}) =>
  RefreshJournal.Intent.make({
    attempt: "attempt-1",
    version: "1",
    fingerprint: "old",
    state: "sending",
    sends: 1,
    ambiguous: false,
    at: NOW,
    endedAt: Option.none(),
    by: self,
    ...fields
  })
const withIntent = JournalChange.update(empty, { intent: Option.some(intent()) })
const credential = (lastRedeem?: string) =>
  Schema.decodeSync(Credential)({ generation: 7, ...(lastRedeem === undefined ? {} : { last_redeem: lastRedeem }) })

describe("an intent", () => {
  it("counts for the refresh token that it names, whatever else changed", () => {
    assert.isTrue(Option.isSome(JournalChange.counts(withIntent, credential(), "old")))
    assert.isTrue(Option.isSome(JournalChange.counts(withIntent, credential("attempt-0"), "old")))
    assert.isTrue(Option.isNone(JournalChange.counts(withIntent, credential(), "new")))
    assert.isTrue(Option.isNone(JournalChange.counts(empty, credential(), "old")))
  })

  it("is history once its attempt wrote the record, as the record or the journal says", () => {
    assert.isTrue(Option.isNone(JournalChange.counts(withIntent, credential("attempt-1"), "old")))
    const noted = JournalChange.update(withIntent, { lastRedeem: Option.some("attempt-1") })
    assert.isTrue(Option.isNone(JournalChange.counts(noted, credential(), "old")))
  })

  it("whose token was replaced is settled, and the token retired", () => {
    const absorbed = JournalChange.absorb(withIntent, credential(), Option.some("new"), NOW)
    assert.isTrue(Option.isNone(absorbed.intent))
    assert.deepStrictEqual(absorbed.retired.map(({ fingerprint, generation }) => [fingerprint, generation]), [[
      "old",
      7
    ]])
    const withoutToken = JournalChange.absorb(withIntent, credential(), Option.none(), NOW)
    assert.isTrue(JournalChange.isRetired(withoutToken, "old"))
  })

  it("that wrote the same token again is settled, and the token lives", () => {
    const absorbed = JournalChange.absorb(withIntent, credential("attempt-1"), Option.some("old"), NOW)
    assert.isTrue(Option.isNone(absorbed.intent))
    assert.isFalse(JournalChange.isRetired(absorbed, "old"))
  })

  it("that counts stays", () => {
    assert.strictEqual(JournalChange.absorb(withIntent, credential(), Option.some("old"), NOW), withIntent)
    assert.strictEqual(JournalChange.absorb(empty, credential(), Option.some("old"), NOW), empty)
  })
})

describe("a cooldown", () => {
  const noAnswer = { retryAfter: Option.none(), jitter: 1 }
  const wait = (record: RefreshJournal.JournalRecord) => Option.getOrThrow(record.cooldown).until - NOW

  it("doubles from one second to sixty with each unsuccessful answer", () => {
    const waits: Array<number> = []
    let record = empty
    for (let n = 0; n < 9; n++) {
      record = JournalChange.cool(record, NOW, noAnswer)
      waits.push(wait(record) / 1_000)
    }
    assert.deepStrictEqual(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60])
    assert.strictEqual(wait(JournalChange.cool(record, NOW, { ...noAnswer, jitter: 0.5 })), 30_000)
  })

  it("is the server's own time where it names one, at most an hour", () => {
    const named = (retryAfter: number) =>
      JournalChange.cool(empty, NOW, { retryAfter: Option.some(retryAfter), jitter: 0.5 })
    assert.strictEqual(wait(named(90_000)), 90_000)
    assert.strictEqual(wait(named(86_400_000)), 3_600_000)
    assert.strictEqual(Option.getOrThrow(named(90_000).cooldown).source, "server")
  })

  it("is a second where nothing was sent, and counts no failure", () => {
    const before = JournalChange.cool(JournalChange.cool(empty, NOW, noAnswer), NOW, noAnswer)
    const after = JournalChange.coolNeverSent(before, NOW)
    assert.strictEqual(wait(after), 1_000)
    assert.strictEqual(Option.getOrThrow(after.cooldown).failures, 2)
    assert.strictEqual(Option.getOrThrow(JournalChange.coolNeverSent(empty, NOW).cooldown).failures, 1)
  })

  it("holds until its end, and not when the clock went back behind its start", () => {
    const record = JournalChange.cool(empty, NOW, { retryAfter: Option.some(1_000), jitter: 1 })
    assert.isTrue(Option.isSome(JournalChange.coolingDown(record, NOW)))
    assert.isTrue(Option.isSome(JournalChange.coolingDown(record, NOW + 999)))
    assert.isTrue(Option.isNone(JournalChange.coolingDown(record, NOW + 1_000)))
    assert.isTrue(Option.isNone(JournalChange.coolingDown(record, NOW - 1)))
  })
})

describe("a rest", () => {
  it("is for one refresh token, until the access token expires, and not when the clock went back", () => {
    const record = JournalChange.rest(withIntent, "old", NOW + 60_000, NOW)
    assert.isTrue(Option.isNone(record.intent))
    assert.isTrue(Option.isSome(JournalChange.resting(record, "old", NOW)))
    assert.isTrue(Option.isNone(JournalChange.resting(record, "new", NOW)))
    assert.isTrue(Option.isNone(JournalChange.resting(record, "old", NOW + 60_000)))
    assert.isTrue(Option.isNone(JournalChange.resting(record, "old", NOW - 1)))
  })
})

describe("a mark", () => {
  it("is for one refresh token, and settles its intent", () => {
    const record = JournalChange.mark(withIntent, "old", "InvalidGrant", "invalid_grant", NOW)
    assert.isTrue(Option.isNone(record.intent))
    assert.strictEqual(Option.getOrThrow(JournalChange.marked(record, "old")).reason, "InvalidGrant")
    assert.isTrue(Option.isNone(JournalChange.marked(record, "new")))
  })

  it("goes with everything else when a new record takes its place, and the generation never goes back", () => {
    const full = JournalChange.cool(
      JournalChange.rest(
        JournalChange.mark(JournalChange.update(empty, { generation: 9 }), "old", "InvalidGrant", "", NOW),
        "old",
        NOW + 1,
        NOW
      ),
      NOW,
      { retryAfter: Option.none(), jitter: 1 }
    )
    const cleared = JournalChange.clear(JournalChange.retire(full, "older", 3, NOW), 8)
    for (const one of [cleared.intent, cleared.cooldown, cleared.mark, cleared.rest]) {
      assert.strictEqual(one._tag, "None")
    }
    assert.strictEqual(cleared.generation, 9)
    assert.strictEqual(JournalChange.clear(full, 10).generation, 10)
    assert.isTrue(JournalChange.isRetired(cleared, "older"), "what is known of old tokens stays known")
  })
})

describe("the brake", () => {
  const after = (...ago: ReadonlyArray<number>) =>
    ago.reduce((record, one) => JournalChange.countRejection(record, NOW - one), empty)

  it("is on after three redemptions for a rejected token within a minute", () => {
    assert.isFalse(JournalChange.isStorm(after(59_999, 1), NOW))
    assert.isTrue(JournalChange.isStorm(after(59_999, 2, 1), NOW))
    assert.isFalse(JournalChange.isStorm(after(60_000, 2, 1), NOW))
  })

  it("counts nothing from the future", () => {
    assert.isFalse(JournalChange.isStorm(after(2, 1, -1), NOW))
  })

  it("forgets what is older than a minute", () => {
    assert.deepStrictEqual(after(120_000, 61_000, 0).rejections, [NOW])
  })
})

describe("what is remembered", () => {
  it("a retired token once, of the generation that first replaced it, and the newest 64", () => {
    let record = JournalChange.retire(JournalChange.retire(empty, "a", 1, NOW), "a", 2, NOW)
    assert.deepStrictEqual(record.retired.map(({ generation }) => generation), [1])
    for (let n = 0; n < 64; n++) record = JournalChange.retire(record, `b${n}`, n, NOW)
    assert.strictEqual(record.retired.length, 64)
    assert.isFalse(JournalChange.isRetired(record, "a"))
    assert.strictEqual(record.retired[0]?.fingerprint, "b63")
  })

  it("the newest 50 outcomes, each with its process", () => {
    let record = empty
    for (let n = 0; n < 51; n++) record = JournalChange.note(record, self, { at: n, outcome: "granted", took: 5 })
    assert.strictEqual(record.outcomes.length, 50)
    assert.deepStrictEqual([record.outcomes[0]?.at, record.outcomes[0]?.pid, record.outcomes[0]?.generation], [
      50,
      1,
      0
    ])
    assert.strictEqual(
      JournalChange.note(empty, self, { at: 1, outcome: "logout", generation: 4 }).outcomes[0]?.generation,
      4
    )
  })
})
