/**
 * What everything that keeps due times must do, whatever it keeps them in.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { Version } from "@lockstep/core/Credential"
import type * as DueTimes from "@lockstep/core/DueTimes"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/**
 * Due times of a store, seen by two sweeps, and a way to change what the store has.
 *
 * @since 0.1.0
 * @category models
 */
export interface DueTimesStage {
  readonly one: DueTimes.DueTimes["Type"]
  readonly other: DueTimes.DueTimes["Type"]
  readonly put: (tenant: TenantId.TenantId) => Effect.Effect<unknown>
  readonly remove: (tenant: TenantId.TenantId) => Effect.Effect<unknown>
}

const names = ["a", "b", "c", "d", "e"].map((name) => TenantId.make(name))
const [first, second] = names as [TenantId.TenantId, TenantId.TenantId]
const ALL = { limit: 10, except: [] }
const HOUR = 3_600_000
const noted: DueTimes.Noted = { version: Version("7"), keep: "fresh", isOver: false }

const tenantsOf = (claimed: { readonly claims: ReadonlyArray<DueTimes.Claim> }) =>
  claimed.claims.map(({ tenant }) => tenant)

const settlement = (claim: DueTimes.Claim, dueAt: number, issuer = "https://as.example"): DueTimes.Settlement => ({
  tenant: claim.tenant,
  ticket: claim.ticket,
  issuer,
  dueAt,
  noted: Option.some(noted)
})

/**
 * Registers the suite.
 *
 * @since 0.1.0
 * @category testing
 */
export const dueTimesContract = (name: string, stage: Effect.Effect<DueTimesStage, never, Scope.Scope>): void => {
  describe(`due times: ${name}`, () => {
    const scene = (title: string, run: (stage: DueTimesStage) => Effect.Effect<void, unknown>) =>
      it.scopedLive(title, () => Effect.flatMap(stage, (made) => Effect.orDie(run(made))), 60_000)

    scene("what is new is due, and counts as used", ({ one, put }) =>
      Effect.gen(function*() {
        yield* put(first)
        yield* one.enrol
        const { claims: [claim] } = yield* one.claim(ALL)
        assert.strictEqual(claim!.tenant, first)
        assert.isTrue(Option.isNone(claim!.noted))
        assert.isAtMost(Math.abs(Option.getOrThrow(claim!.usedAt) - (yield* one.now)), 60_000)
      }))

    scene(
      "each is claimed by one of those that sweep, and by none of them again until it is settled",
      ({ one, other, put }) =>
        Effect.gen(function*() {
          yield* Effect.forEach(names, put)
          yield* one.enrol
          const claimed = yield* Effect.all(
            [one.claim({ ...ALL, limit: 2 }), other.claim({ ...ALL, limit: 2 }), one.claim(ALL), other.claim(ALL)],
            { concurrency: "unbounded" }
          )
          assert.sameMembers(claimed.flatMap(tenantsOf), names)
          assert.deepStrictEqual(tenantsOf(yield* one.claim(ALL)), [])
        })
    )

    scene(
      "what is settled is due when it was said to be, the longest due first",
      ({ one, other, put }) =>
        Effect.gen(function*() {
          yield* Effect.forEach(names, put)
          yield* one.enrol
          const { claims } = yield* one.claim(ALL)
          const now = yield* one.now
          const later = now + HOUR
          yield* one.settle(claims.map((claim, at) => settlement(claim, at < 2 ? now - 1_000 * (at + 1) : later + at)))
          const due = yield* other.claim(ALL)
          assert.deepStrictEqual(tenantsOf(due), [claims[1]!.tenant, claims[0]!.tenant])
          assert.deepStrictEqual(due.claims[0]!.noted, Option.some(noted))
          assert.strictEqual(due.claims[0]!.issuer, "https://as.example")
          assert.isAtMost(Math.abs(due.claims[0]!.dueAt - (now - 2_000)), 1)
          // What was claimed just now is due again in a minute, if it is not settled.
          assert.isAtMost(Option.getOrThrow((yield* one.claim(ALL)).nextAt), (yield* one.now) + 60_000)
          yield* other.settle(due.claims.map((claim) => settlement(claim, later)))
          assert.isAtMost(Math.abs(Option.getOrThrow((yield* one.claim(ALL)).nextAt) - later), 1)
        })
    )

    scene("what is settled under a claim that is over is dropped", ({ one, other, put }) =>
      Effect.gen(function*() {
        yield* put(first)
        yield* one.enrol
        const { claims: [old] } = yield* one.claim(ALL)
        const now = yield* one.now
        yield* one.settle([settlement(old!, now - 5)])
        const { claims: [present] } = yield* other.claim(ALL)
        assert.strictEqual(present!.tenant, first)
        yield* one.settle([settlement(old!, now - 5)])
        assert.deepStrictEqual(tenantsOf(yield* one.claim(ALL)), [])
      }))

    scene("issuers that are left out are not claimed for, nor told of", ({ one, put }) =>
      Effect.gen(function*() {
        yield* Effect.forEach([first, second], put)
        yield* one.enrol
        const { claims } = yield* one.claim(ALL)
        const now = yield* one.now
        yield* one.settle(claims.map((claim) =>
          settlement(claim, now - 10, claim.tenant === first ? "https://a.example" : "https://b.example")
        ))
        const except = ["https://a.example"]
        assert.deepStrictEqual(tenantsOf(yield* one.claim({ ...ALL, except })), [second])
        const all = ["https://a.example", "https://b.example"]
        assert.deepStrictEqual(yield* one.claim({ ...ALL, except: all }), { claims: [], nextAt: Option.none() })
        assert.deepStrictEqual(tenantsOf(yield* one.claim(ALL)), [first])
      }))

    scene(
      "what is removed is forgotten, and due again with its next record",
      ({ one, put, remove }) =>
        Effect.gen(function*() {
          yield* put(first)
          yield* one.enrol
          const { claims: [claim] } = yield* one.claim(ALL)
          yield* remove(first)
          yield* one.forget(first)
          yield* one.settle([settlement(claim!, (yield* one.now) - 5)])
          assert.deepStrictEqual(yield* one.claim(ALL), { claims: [], nextAt: Option.none() })
          yield* put(first)
          yield* one.enrol
          assert.deepStrictEqual(tenantsOf(yield* one.claim(ALL)), [first])
        })
    )
  })
}
