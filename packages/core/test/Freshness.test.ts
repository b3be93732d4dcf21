import { assert, describe, it } from "@effect/vitest"
import * as Freshness from "@lockstep/core/Freshness"

const HOUR = 3_600
const NOW = 1_790_000_000_000
const seconds = NOW / 1_000

/** A token of one hour that has so many seconds left. */
const left = (remaining: number): Freshness.Lifetime => ({
  expiresAt: seconds + remaining,
  obtainedAt: seconds + remaining - HOUR
})
const ask = (token: Freshness.Lifetime, question: Partial<Freshness.Question> = {}) =>
  Freshness.isFresh(token, { now: NOW, margin: 120_000, minTtl: 0, ...question })

describe("Freshness", () => {
  it("demands more than the margin", () => {
    assert.isTrue(ask(left(121)))
    assert.isFalse(ask(left(120)))
    assert.isFalse(ask(left(-1)))
  })

  it("demands at most a quarter of the lifetime, so that short tokens are not refreshed at every call", () => {
    const short = (remaining: number) => ({ expiresAt: seconds + remaining, obtainedAt: seconds + remaining - 60 })
    assert.strictEqual(Freshness.effectiveMargin(short(60), 120_000), 15_000)
    assert.isTrue(ask(short(16)))
    assert.isFalse(ask(short(15)))
  })

  it("demands minTtl whatever the lifetime is", () => {
    const short = { expiresAt: seconds + 60, obtainedAt: seconds }
    assert.isFalse(ask(short, { minTtl: 60_000 }))
    assert.isTrue(ask(short, { minTtl: 59_000 }))
  })

  it("takes the margin as it is where the lifetime is unknown or makes no sense", () => {
    assert.strictEqual(Freshness.effectiveMargin({ expiresAt: seconds, obtainedAt: null }, 120_000), 120_000)
    assert.strictEqual(Freshness.effectiveMargin({ expiresAt: null, obtainedAt: seconds }, 120_000), 120_000)
    assert.strictEqual(Freshness.effectiveMargin({ expiresAt: seconds, obtainedAt: seconds }, 120_000), 120_000)
  })

  it("lets a token without a known expiry live until it is rejected", () => {
    assert.isTrue(ask({ expiresAt: null, obtainedAt: null }, { minTtl: 1e12 }))
  })

  it("believes no token that was obtained more than a minute in the future", () => {
    const obtained = (ahead: number) => ({ expiresAt: seconds + 10 * HOUR, obtainedAt: seconds + ahead })
    assert.isTrue(ask(obtained(60)))
    assert.isFalse(ask(obtained(61)))
    assert.isFalse(Freshness.isUnexpired(obtained(61), NOW))
    assert.isFalse(ask({ expiresAt: null, obtainedAt: seconds + 61 }))
  })

  it("serves in need what is unexpired and long enough", () => {
    assert.isTrue(Freshness.isUnexpired(left(1), NOW))
    assert.isFalse(Freshness.isUnexpired(left(0), NOW))
    assert.isFalse(Freshness.isUnexpired(left(10), NOW, 10_000))
  })
})
