import { assert, describe, it } from "@effect/vitest"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import * as FastCheck from "effect/FastCheck"

const TERMS = { rate: 20, burst: 20 }
const NONE = { succeeded: 0, failed: 0, refused: 0, retryAfter: 0 }

/** A bucket, its clock, and what was granted when. */
const bucket = (terms = TERMS) => {
  let state = IssuerBudget.full(terms, 0)
  let now = 0
  return {
    pass: (millis: number) => void (now += millis),
    take: (wanted: number): IssuerBudget.Allowance => {
      const [allowance, next] = IssuerBudget.take(state, terms, wanted, now)
      state = next
      return allowance
    },
    report: (report: Partial<IssuerBudget.Report>): IssuerBudget.Breaker => {
      state = IssuerBudget.report(state, terms, { ...NONE, ...report }, now)
      return IssuerBudget.breaker(state, now)
    },
    breaker: () => IssuerBudget.breaker(state, now)
  }
}

describe("the budget of an issuer", () => {
  it("gives half of what the issuer may be asked for, and says when it is worth asking again", () => {
    const one = bucket()
    assert.strictEqual(one.take(100).granted, 10)
    const { askAgainAt, granted } = one.take(5)
    assert.strictEqual(granted, 0)
    assert.strictEqual(askAgainAt, 500)
    one.pass(askAgainAt)
    assert.strictEqual(one.take(5).granted, 5)
  })

  it("grants in no span of time more than the burst and what flowed in, whatever is asked when and however time jumps", () => {
    FastCheck.assert(FastCheck.property(
      FastCheck.array(
        FastCheck.record({
          after: FastCheck.integer({ min: -5_000, max: 20_000 }),
          wanted: FastCheck.integer({ min: 1, max: 50 })
        }),
        { maxLength: 60 }
      ),
      (asked) => {
        let state = IssuerBudget.full(TERMS, 0)
        let now = 0
        let elapsed = 0
        const grants: Array<{ readonly at: number; readonly count: number }> = []
        for (const { after, wanted } of asked) {
          now += after
          elapsed += Math.max(0, after)
          const [{ granted }, next] = IssuerBudget.take(state, TERMS, wanted, now)
          state = next
          grants.push({ at: elapsed, count: granted })
        }
        for (let from = 0; from < grants.length; from++) {
          let sum = 0
          for (let to = from; to < grants.length; to++) {
            sum += grants[to]!.count
            assert.isAtMost(sum, 10 + (grants[to]!.at - grants[from]!.at) / 1_000 * 10 + 1e-6)
          }
        }
      }
    ))
  })

  it("sends nothing after a refusal for as long as the server asked, then one, two and four probes, then all", () => {
    const one = bucket({ rate: 2_000, burst: 16 })
    assert.strictEqual(one.report({ refused: 1, retryAfter: 30_000 }), "open")
    one.pass(29_999)
    assert.deepStrictEqual(one.take(8), { granted: 0, askAgainAt: 30_000, left: 0 })
    one.pass(1)
    for (const probes of [1, 2, 4, 8]) {
      assert.strictEqual(one.breaker(), "probing")
      one.pass(1_000)
      assert.strictEqual(one.take(100).granted, probes)
      assert.strictEqual(one.take(100).granted, 0)
      one.report({ succeeded: probes })
    }
    assert.strictEqual(one.breaker(), "closed")
  })

  it("doubles the pause where the server names none and refuses again, and takes refusals of one moment for one", () => {
    const one = bucket()
    one.report({ refused: 9 })
    one.report({ refused: 9 })
    one.pass(1_000)
    assert.strictEqual(one.breaker(), "probing")
    assert.strictEqual(one.report({ refused: 1 }), "open")
    one.pass(1_999)
    assert.strictEqual(one.breaker(), "open")
    one.pass(1)
    assert.strictEqual(one.breaker(), "probing")
  })

  it("opens after failures without a success between them, and not for one that a success follows", () => {
    const one = bucket()
    for (const _ of [1, 2, 3, 4]) assert.strictEqual(one.report({ failed: 1 }), "closed")
    assert.strictEqual(one.report({ succeeded: 1 }), "closed")
    for (const _ of [1, 2, 3, 4]) assert.strictEqual(one.report({ failed: 1 }), "closed")
    assert.strictEqual(one.report({ failed: 1 }), "open")
  })

  it("probes again a minute after a prober that never reported", () => {
    const one = bucket()
    one.report({ refused: 1 })
    one.pass(1_000)
    assert.strictEqual(one.take(1).granted, 1)
    one.pass(60_000)
    assert.strictEqual(one.take(1).granted, 0)
    one.pass(1)
    assert.strictEqual(one.take(1).granted, 1)
  })
})
