import { assert, describe, it } from "@effect/vitest"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

const millis = (text: string) => Option.getOrNull(Option.map(RefreshPolicy.parseDuration(text), Duration.toMillis))
const isAccepted = (options: Partial<RefreshPolicy.RefreshPolicy["Type"]>, limits?: RefreshPolicy.CustodyLimits) =>
  Either.isRight(RefreshPolicy.make(options, limits))
const fromEnv = (variables: Record<string, string>) =>
  Effect.provide(RefreshPolicy.RefreshPolicy, RefreshPolicy.layerFromEnv).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)), { pathDelim: "_" }))
  )

describe("parseDuration", () => {
  it("reads what people write", () => {
    const written: Record<string, number> = {
      "5 minutes": 300_000,
      "300": 300_000,
      "300s": 300_000,
      "5m": 300_000,
      "2h": 7_200_000,
      "1d": 86_400_000,
      "250ms": 250,
      "1.5s": 1_500,
      " 90 s ": 90_000,
      "2 hours": 7_200_000,
      "0": 0
    }
    for (const [text, expected] of Object.entries(written)) assert.strictEqual(millis(text), expected, text)
  })

  it("reads nothing else", () => {
    for (const text of ["", " ", "soon", "5x", "-5s", "-1", "5m30s", "1e3", "0x10", "minutes", "5 5 s", "NaN"]) {
      assert.isNull(millis(text), JSON.stringify(text))
    }
  })
})

describe("make", () => {
  it("accepts the defaults, and waits longer for what may be held longer", () => {
    const stores = {
      file: [{}, 22_000, 30_000],
      "a store whose writes take 15 s more": [{ writes: Duration.seconds(15) }, 37_000, 45_000],
      "a tool that waits 15 s": [{ redeem: Duration.seconds(10) }, 17_000, 30_000],
      "a lock that outlives its holder by 60 s": [{ afterDeath: Duration.seconds(60) }, 22_000, 90_000]
    } as const
    for (const [name, [store, hold, lockTimeout]] of Object.entries(stores)) {
      const policy = RefreshPolicy.defaultsFor(store)
      assert.isTrue(isAccepted({}, store), name)
      assert.strictEqual(Duration.toMillis(RefreshPolicy.longestHold(policy, store)), hold, name)
      assert.strictEqual(Duration.toMillis(policy.lockTimeout), lockTimeout, name)
    }
    assert.deepStrictEqual(RefreshPolicy.defaultsFor({}), RefreshPolicy.defaults)
  })

  it("refuses a waiter that could give up on a holder whose store is slow, or on what a dead one left", () => {
    assert.isFalse(isAccepted({ lockTimeout: Duration.seconds(37) }, { writes: Duration.seconds(15) }))
    assert.isTrue(isAccepted({ lockTimeout: Duration.seconds(38) }, { writes: Duration.seconds(15) }))
    assert.isFalse(isAccepted({ lockTimeout: Duration.seconds(82) }, { afterDeath: Duration.seconds(60) }))
    assert.isTrue(isAccepted({ lockTimeout: Duration.seconds(83) }, { afterDeath: Duration.seconds(60) }))
  })

  it("refuses a redemption that the tool which shares the store would not wait for", () => {
    const hermes = { redeem: Duration.seconds(10) }
    assert.isTrue(isAccepted({ redeemLimit: Duration.seconds(10) }, hermes))
    assert.isFalse(isAccepted({ redeemLimit: Duration.seconds(11) }, hermes))
    assert.isTrue(isAccepted({ redeemLimit: Duration.seconds(15) }, { redeem: Duration.seconds(15) }))
  })

  it("refuses a waiter that could give up on a legal holder", () => {
    assert.isFalse(isAccepted({ lockTimeout: Duration.seconds(22) }))
    assert.isTrue(isAccepted({ lockTimeout: Duration.millis(22_001) }))
    for (const key of ["redeemLimit", "aggregateLockTimeout", "persistRetry"] as const) {
      assert.isFalse(isAccepted({ [key]: Duration.sum(RefreshPolicy.defaults[key], Duration.seconds(8)) }), key)
    }
  })

  it("refuses a silence that leaves the retry no time to be answered", () => {
    assert.isFalse(isAccepted({ quietTime: Duration.seconds(15) }))
    assert.isFalse(isAccepted({ quietTime: Duration.millis(7_501) }))
    assert.isTrue(isAccepted({ quietTime: Duration.millis(7_500) }))
    assert.isTrue(isAccepted({ quietTime: Duration.zero }))
  })

  it("refuses bounds that never end or that end before they begin", () => {
    for (const key of ["redeemLimit", "providerTimeout", "revokeTimeout", "lockTimeout"] as const) {
      assert.isFalse(isAccepted({ [key]: Duration.zero }), key)
      assert.isFalse(isAccepted({ [key]: Duration.infinity }), key)
    }
    assert.isTrue(isAccepted({ margin: Duration.zero, staleWait: Duration.zero, persistRetry: Duration.zero }))
  })
})

describe("layers", () => {
  it.effect("the defaults", () =>
    Effect.gen(function*() {
      const policy = yield* Effect.provide(RefreshPolicy.RefreshPolicy, RefreshPolicy.layerDefaults)
      assert.deepStrictEqual(policy, RefreshPolicy.defaults)
    }))

  it.effect("some bounds replaced, checked", () =>
    Effect.gen(function*() {
      const build = (options: Partial<RefreshPolicy.RefreshPolicy["Type"]>) =>
        Effect.exit(Effect.scoped(Layer.build(RefreshPolicy.layer(options))))
      assert.isTrue(Exit.isSuccess(yield* build({ margin: Duration.minutes(5) })))
      const exit = yield* build({ lockTimeout: Duration.seconds(1) })
      assert.include(String(exit), "lockTimeout (1s) must be longer than the longest legal hold (22s)")
    }))

  it.effect("bounds from the environment", () =>
    Effect.gen(function*() {
      const policy = yield* fromEnv({ LOCKSTEP_MARGIN: "5m", LOCKSTEP_SERVE_UNPERSISTED: "true" })
      assert.strictEqual(Duration.toMillis(policy.margin), 300_000)
      assert.isTrue(policy.serveUnpersisted)
      assert.deepStrictEqual(policy.lockTimeout, RefreshPolicy.defaults.lockTimeout)
    }))

  it.effect("bounds from the environment that are malformed, or do not fit, name their variable", () =>
    Effect.gen(function*() {
      assert.include(String(yield* Effect.flip(fromEnv({ LOCKSTEP_QUIET_TIME: "soon" }))), "QUIET_TIME")
      assert.include(String(yield* Effect.flip(fromEnv({ LOCKSTEP_LOCK_TIMEOUT: "5" }))), "LOCK_TIMEOUT")
    }))
})
