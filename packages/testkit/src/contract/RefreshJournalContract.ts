/**
 * What every `RefreshJournal` promises.
 *
 * Each test sees one journal through two views, as two processes do.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { answer, fullRecord } from "./journals.js"

type Journal = RefreshJournal.RefreshJournal["Type"]

const CODEX = TenantId.make("codex")

/**
 * Registers the contract's tests. `makeViews` answers with two views of one empty journal of its own.
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
          deepStrictEqual(yield* journal.read(CODEX), RefreshJournal.empty(CODEX))
          deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
          yield* journal.dropAnswer(CODEX)
        })
      ))

    it.scopedLive("what is written replaces the whole journal, for every view", () =>
      withViews((journal, other) =>
        Effect.gen(function*() {
          const full = fullRecord(CODEX)
          yield* journal.write(CODEX, full)
          deepStrictEqual(yield* other.read(CODEX), full)
          yield* other.write(CODEX, RefreshJournal.empty(CODEX))
          deepStrictEqual(yield* journal.read(CODEX), RefreshJournal.empty(CODEX))
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
            deepStrictEqual(yield* other.read(tenant), fullRecord(tenant))
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
          deepStrictEqual(yield* other.keptAnswer(CODEX), Option.none())
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
          deepStrictEqual(yield* journal.keptAnswer(CODEX), Option.none())
        })
      ))
  })
}
