/**
 * What everything that keeps the budgets of issuers must do, whatever it keeps them in. What a bucket does is tested once,
 * where its functions are.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import type * as IssuerBudget from "@lockstep/core/IssuerBudget"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Two sweeps that share budgets of 20 requests a second, 20 at once.
 *
 * @since 0.1.0
 * @category models
 */
export type Views = readonly [one: IssuerBudget.IssuerBudget["Type"], other: IssuerBudget.IssuerBudget["Type"]]

const NONE = { succeeded: 0, failed: 0, refused: 0, retryAfter: 0 }

/**
 * Registers the suite.
 *
 * @since 0.1.0
 * @category testing
 */
export const issuerBudgetContract = (name: string, views: Effect.Effect<Views, never, Scope.Scope>): void => {
  describe(`budgets of issuers: ${name}`, () => {
    const scene = (title: string, run: (views: Views) => Effect.Effect<void, unknown>) =>
      it.scopedLive(title, () => Effect.flatMap(views, (made) => Effect.orDie(run(made))), 60_000)

    scene(
      "several that take at once are granted no more than one bucket holds",
      ([one, other]) =>
        Effect.gen(function*() {
          const began = performance.now()
          const taken = yield* Effect.forEach(
            Array.from({ length: 16 }, (_, at) => at % 2 === 0 ? one : other),
            ({ take }) => take("https://a.example", 3),
            { concurrency: "unbounded" }
          )
          const passed = (performance.now() - began) / 1_000
          const granted = taken.reduce((sum, allowance) => sum + allowance.granted, 0)
          assert.isAtLeast(granted, 10)
          assert.isAtMost(granted, 10 + Math.ceil(passed * 10))
        })
    )

    scene(
      "a refusal that one was told stops the other, for this issuer alone",
      ([one, other]) =>
        Effect.gen(function*() {
          assert.strictEqual(
            yield* one.report("https://a.example", { ...NONE, refused: 1, retryAfter: 600_000 }),
            "open"
          )
          assert.strictEqual((yield* other.take("https://a.example", 1)).granted, 0)
          assert.strictEqual((yield* other.take("https://b.example", 1)).granted, 1)
        })
    )
  })
}
