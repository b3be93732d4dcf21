/**
 * What every `RefreshJournal` promises.
 *
 * Each test sees one journal through two views, as two processes do.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { ProcessIdentity } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as FakeToken from "../FakeToken.js"

type Journal = RefreshJournal.RefreshJournal["Type"]

const CODEX = TenantId.make("codex")

const self = ProcessIdentity.make({ pid: 4711, startTime: "12", bootId: "boot", command: "agent" })

/**
 * A journal in which every member says something.
 *
 * @since 0.1.0
 * @category testing
 */
export const fullRecord = (tenant: TenantId.TenantId): RefreshJournal.JournalRecord =>
  RefreshJournal.JournalRecord.make({
    version: 1,
    tenant,
    generation: 7,
    lastRedeem: Option.some("attempt-6"),
    intent: Option.some(RefreshJournal.Intent.make({
      attempt: "attempt-7",
      version: "7:0011",
      fingerprint: "0123456789ab",
      state: "sending",
      sends: 1,
      ambiguous: true,
      at: 1_790_000_000_123,
      endedAt: Option.some(1_790_000_000_456),
      by: self
    })),
    cooldown: Option.some(RefreshJournal.Cooldown.make({ setAt: 1, until: 2, source: "server", failures: 3 })),
    mark: Option.some(RefreshJournal.Mark.make({
      fingerprint: "0123456789ab",
      reason: "InvalidGrant",
      detail: Option.some("revoked \"by\" the user"),
      at: 5
    })),
    rest: Option.some(RefreshJournal.Rest.make({ fingerprint: "0123456789ab", setAt: 6, until: 7 })),
    retired: [RefreshJournal.Retired.make({ fingerprint: "ba9876543210", generation: 6, at: 8 })],
    rejections: [9, 8],
    outcomes: [RefreshJournal.Outcome.make({
      at: 10,
      outcome: "granted",
      detail: Option.none(),
      pid: 4711,
      command: "agent",
      from: Option.some("ba9876543210"),
      to: Option.some("0123456789ab"),
      generation: 7,
      took: Option.some(12)
    })]
  })

/**
 * An answer with a new pair of tokens, padded to about so many characters.
 *
 * @since 0.1.0
 * @category testing
 */
export const answer = (attempt: string, length = 0): RefreshJournal.CapturedAnswer =>
  RefreshJournal.CapturedAnswer.make({
    attempt,
    fingerprint: "0123456789ab",
    obtainedAt: 1_790_000_000,
    grant: TokenGrant.make({
      accessToken: Redacted.make(FakeToken.make("at") + "x".repeat(length)),
      refreshToken: Option.some(Redacted.make(FakeToken.make("rt"))),
      idToken: Option.none(),
      tokenType: Option.some("Bearer"),
      scope: Option.none(),
      expiresAt: Option.some(1_790_003_600),
      loginExpiresAt: Option.none(),
      account: Option.none()
    })
  })

/**
 * Registers the contract's tests. `makeViews` answers with two views of one empty journal that nobody else uses.
 *
 * @since 0.1.0
 * @category testing
 */
export const refreshJournalContract = <E>(
  name: string,
  makeViews: Effect.Effect<readonly [Journal, Journal], E, Scope.Scope>
): void => {
  const withViews = <A, F>(use: (journal: Journal, other: Journal) => Effect.Effect<A, F, Scope.Scope>) =>
    Effect.flatMap(makeViews, ([journal, other]) => use(journal, other))

  describe(`RefreshJournal contract: ${name}`, () => {
    it.scopedLive("a tenant of which nothing is known has an empty journal and no answer", () =>
      withViews((journal) =>
        Effect.gen(function*() {
          assert.deepStrictEqual(yield* journal.read(CODEX), RefreshJournal.empty(CODEX))
          assert.deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
          yield* journal.dropAnswer(CODEX)
        })
      ))

    it.scopedLive("what is written replaces the whole journal, for every view", () =>
      withViews((journal, other) =>
        Effect.gen(function*() {
          const full = fullRecord(CODEX)
          yield* journal.write(CODEX, full)
          assert.deepStrictEqual(yield* other.read(CODEX), full)
          yield* other.write(CODEX, RefreshJournal.empty(CODEX))
          assert.deepStrictEqual(yield* journal.read(CODEX), RefreshJournal.empty(CODEX))
        })
      ))

    it.scopedLive("every tenant has a journal and an answer of its own, whatever it is called", () =>
      withViews((journal, other) =>
        Effect.gen(function*() {
          const names = ["codex", "Codex", "codex@work", "mcp:linear", "..", "a/b", "a%2Fb", "é", "x.json", "x", "~"]
          const tenants = [...names, "y".repeat(512), `${"y".repeat(511)}z`, "日".repeat(170)].map(TenantId.make)
          for (const tenant of tenants) {
            yield* journal.write(tenant, fullRecord(tenant))
            yield* journal.keepAnswer(tenant, answer(tenant))
          }
          for (const tenant of tenants) {
            assert.deepStrictEqual(yield* other.read(tenant), fullRecord(tenant))
            const kept = yield* Effect.flatten(other.keptAnswer(tenant))
            assert.strictEqual(kept.attempt, tenant)
          }
          assert.strictEqual(new Set(tenants.map((tenant) => journal.location(tenant))).size, tenants.length)
        })
      ))

    it.scopedLive("a reservation is no answer, and takes the place of an older one", () =>
      withViews((journal, other) =>
        Effect.gen(function*() {
          yield* journal.keepAnswer(CODEX, answer("attempt-1"))
          yield* journal.reserveAnswer(CODEX, 8_192)
          assert.deepStrictEqual(yield* other.keptAnswer(CODEX), Option.none())
        })
      ))

    it.scopedLive("an answer is kept in its room, beyond it, and without any", () =>
      withViews((journal, other) =>
        Effect.gen(function*() {
          const answers = [answer("none"), answer("longer", 20_000), answer("shorter"), answer("again", 9_000)]
          for (const [i, next] of answers.entries()) {
            if (i === 3) yield* journal.reserveAnswer(CODEX, 4_096)
            yield* journal.keepAnswer(CODEX, next)
            const kept = yield* Effect.flatten(other.keptAnswer(CODEX))
            assert.isTrue(Equal.equals(kept, next))
          }
        })
      ))

    it.scopedLive("a dropped answer is gone, and dropping it again is fine", () =>
      withViews((journal, other) =>
        Effect.gen(function*() {
          yield* journal.keepAnswer(CODEX, answer("attempt-1"))
          yield* other.dropAnswer(CODEX)
          yield* journal.dropAnswer(CODEX)
          assert.deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
        })
      ))
  })
}
