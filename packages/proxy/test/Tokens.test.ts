import { assert, describe, it } from "@effect/vitest"
import { AccessToken } from "@lockstep/core/AccessToken"
import { ReauthorizationRequired } from "@lockstep/core/Errors"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { afterEach, beforeEach, vi } from "vitest"
import * as ProxyTarget from "../src/ProxyTarget.js"
import * as ProxyTokens from "../src/ProxyTokens.js"

const tenant = TenantId.make("acme")

const token = (text: string) =>
  new AccessToken({
    tenant,
    token: Redacted.make(text),
    tokenType: "Bearer",
    scope: Option.none(),
    resource: Option.none(),
    expiresAt: Option.none(),
    account: Option.none(),
    generation: 1
  })

/** A login whose store may be changed, and how often it was asked for. */
const makeScene = () => {
  let stored: string | undefined = "first"
  let asked = 0
  const found = Effect.suspend(() => {
    asked++
    return stored === undefined
      ? Effect.fail(new ReauthorizationRequired({ tenant, reason: "NotFound" }))
      : Effect.succeed(token(stored))
  })
  const tokens = ProxyTokens.make({
    tenant,
    target: Either.getOrThrow(ProxyTarget.fromText("https://api.example/")),
    coordinator: { accessToken: () => found, recover: () => found }
  })
  const run: ProxyTokens.Run = (effect, done) => {
    done(Effect.runSyncExit(effect))
    return () => {}
  }
  const told = (ask: (done: (answer: ProxyTokens.Answer) => void) => void): string => {
    let text = ""
    ask((answer) => {
      text = Either.isRight(answer) ? Redacted.value(answer.right.token) : answer.left.kind
    })
    return text
  }
  return {
    current: () => told((done) => tokens.current(run, done)),
    renewed: () => told((done) => tokens.renewed(run, Redacted.make("first"), done)),
    store: (text: string | undefined) => {
      stored = text
    },
    asked: () => asked
  }
}

describe("the token of a request", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("is asked for once for all requests of some milliseconds, and anew for the next", () => {
    const scene = makeScene()
    assert.deepStrictEqual([scene.current(), scene.current(), scene.asked()], ["first", "first", 1])
    scene.store("second")
    vi.advanceTimersByTime(10)
    assert.deepStrictEqual([scene.current(), scene.asked()], ["second", 2])
  })

  it("is the one that replaced a rejected one, from that moment on", () => {
    const scene = makeScene()
    scene.current()
    scene.store("second")
    assert.deepStrictEqual([scene.renewed(), scene.current(), scene.asked()], ["second", "second", 2])
    vi.advanceTimersByTime(10)
    scene.store("third")
    assert.strictEqual(scene.current(), "third")
  })

  it("is not shared where there is none, and no longer where its login has ended", () => {
    const scene = makeScene()
    scene.current()
    scene.store(undefined)
    const refused = scene.renewed()
    assert.notInclude(["first", "second"], refused)
    assert.strictEqual(scene.current(), refused)
    scene.store("second")
    assert.strictEqual(scene.current(), "second")
  })
})
