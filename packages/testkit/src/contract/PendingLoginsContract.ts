/**
 * What every `PendingLogins` promises.
 *
 * Each test sees one store of attempts through two views, as two processes do.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { arbitraryAttempt, attempt } from "./pendingLogins.js"

type Attempts = PendingLogins.PendingLogins["Type"]

const keyOf = (tenant: string, user = PendingLogins.LOCAL_USER): PendingLogins.PendingKey => ({
  tenant: TenantId.make(tenant),
  user
})

const CODEX = keyOf("codex")
const MINUTE = 60

/** Each is another person, however the two parts are put together. */
const KEYS: ReadonlyArray<PendingLogins.PendingKey> = [
  CODEX,
  keyOf("Codex"),
  keyOf("codex", "Local"),
  keyOf("codex", ""),
  keyOf("codex", " "),
  keyOf("a", "b:c"),
  keyOf("a:b", "c"),
  keyOf("a:b:c", ""),
  keyOf("a%3Ab", "c"),
  keyOf("a%253Ab", "c"),
  keyOf("a", "b%3Ac"),
  keyOf("mcp:linear", "discord:42"),
  keyOf("%", "%"),
  keyOf("%25", "%"),
  keyOf("%", "%25"),
  keyOf("é", "é"),
  keyOf("é", "e\u0301"),
  keyOf("日本", "😀"),
  keyOf("x", "\ud83d"),
  keyOf("x", "\ude00"),
  keyOf("x", "%uD83D"),
  keyOf("x", "\u0000\n\"\\"),
  keyOf("__proto__", "__proto__"),
  keyOf("constructor", "toString"),
  keyOf("..", "../../etc/passwd")
]

const nowInSeconds = Effect.map(Clock.currentTimeMillis, (now) => Math.floor(now / 1_000))

/**
 * Registers the contract's tests. `makeViews` answers with two views of one empty store of its own.
 *
 * @since 0.1.0
 * @category testing
 */
export const pendingLoginsContract = <E>(
  name: string,
  makeViews: Effect.Effect<readonly [Attempts, Attempts], E, Scope.Scope>
): void => {
  const withViews = <A, F>(
    use: (attempts: Attempts, other: Attempts, now: number) => Effect.Effect<A, F, Scope.Scope>
  ) => Effect.flatMap(Effect.all([makeViews, nowInSeconds]), ([[attempts, other], now]) => use(attempts, other, now))

  const users = (attempts: Attempts) => Effect.map(attempts.list, (all) => all.map(({ user }) => user).sort())

  describe(`PendingLogins contract: ${name}`, () => {
    it.scopedLive("what was never begun is absent, and not an error", () =>
      withViews((attempts) =>
        Effect.gen(function*() {
          assertEquals(yield* attempts.get(CODEX), Option.none())
          assert.deepStrictEqual(yield* attempts.list, [])
          assert.isFalse(yield* attempts.remove(CODEX))
        })
      ))

    it.scopedLive("an attempt is there for every view when it was put, with its secrets wrapped", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          const begun = attempt(now, {
            clientSecret: Option.some(Redacted.make("lockstep-client-secret")),
            nonce: Option.some(Redacted.make("lockstep-nonce")),
            deviceCode: Option.some(Redacted.make("lockstep-device-code")),
            privateKey: Option.some(Redacted.make("lockstep-private-key"))
          })
          yield* attempts.put(CODEX, begun)
          for (const view of [attempts, other]) {
            const found = yield* Effect.flatten(view.get(CODEX))
            assertEquals(found, begun)
            const secrets = [
              found.state,
              found.codeVerifier,
              found.clientSecret,
              found.nonce,
              found.deviceCode,
              found.privateKey
            ].map((secret) => Redacted.value(Option.getOrThrow(secret)))
            for (const secret of secrets) assert.notInclude(`${String(found)} ${JSON.stringify(found)}`, secret)
            assert.include(secrets, "lockstep-private-key")
            const [listed, ...others] = yield* view.list
            assert.deepStrictEqual([listed?.tenant, listed?.user, others], [CODEX.tenant, CODEX.user, []])
            assertEquals(listed?.login, begun)
          }
        })
      ))

    it.scopedLive("any attempt comes back as it was put", () =>
      withViews((attempts, other, now) =>
        Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(arbitraryAttempt(now), (begun) =>
              Effect.runPromise(Effect.gen(function*() {
                yield* attempts.put(CODEX, begun)
                assertEquals(yield* other.get(CODEX), Option.some(begun))
              }))),
            { numRuns: 50 }
          )
        )
      ))

    it.scopedLive("no tenant or user can pose as another, whatever they are called", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          const begun = KEYS.map((key) => ({ ...key, login: attempt(now) }))
          for (const one of begun) yield* attempts.put(one, one.login)
          for (const one of begun) assertEquals(yield* other.get(one), Option.some(one.login))
          const byName = (all: ReadonlyArray<PendingLogins.Pending>) =>
            all.map((one) => JSON.stringify([one.tenant, one.user, Redacted.value(Option.getOrThrow(one.login.state))]))
              .sort()
          deepStrictEqual(byName(yield* other.list), byName(begun))
          for (const [at, key] of KEYS.entries()) {
            assert.isTrue(yield* other.remove(key))
            assert.strictEqual((yield* attempts.list).length, KEYS.length - at - 1)
          }
        })
      ))

    it.scopedLive("a new attempt takes the place of the same user's earlier one and of no other", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          const [first, second, ann, linear] = [attempt(now), attempt(now), attempt(now), attempt(now)] as const
          yield* attempts.put(CODEX, first)
          yield* attempts.put(keyOf("codex", "ann"), ann)
          yield* attempts.put(keyOf("mcp:linear"), linear)
          yield* other.put(CODEX, second)
          assertEquals(yield* attempts.get(CODEX), Option.some(second))
          assertEquals(yield* attempts.get(keyOf("codex", "ann")), Option.some(ann))
          assertEquals(yield* attempts.get(keyOf("mcp:linear")), Option.some(linear))
        })
      ))

    it.scopedLive("a removal drops one user's attempt of one tenant, once", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          for (const user of ["ann", "bob"]) yield* attempts.put(keyOf("codex", user), attempt(now))
          assert.isTrue(yield* other.remove(keyOf("codex", "ann")))
          assert.isFalse(yield* attempts.remove(keyOf("codex", "ann")))
          assertEquals(yield* attempts.get(keyOf("codex", "ann")), Option.none())
          deepStrictEqual(yield* users(attempts), ["bob"])
        })
      ))

    it.scopedLive("a removal that names an attempt leaves one alone that was begun since", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          const bare = { state: Option.none(), codeVerifier: Option.none() }
          const secret = (value: string) => Option.some(Redacted.make(value))
          const pairs = [
            [attempt(now), attempt(now)],
            [
              attempt(now, { ...bare, deviceCode: secret("one") }),
              attempt(now, { ...bare, deviceCode: secret("two") })
            ],
            [attempt(now, { ...bare, privateKey: secret("one") }), attempt(now, { ...bare, privateKey: secret("two") })]
          ] as const
          for (const [first, second] of pairs) {
            yield* attempts.put(CODEX, second)
            assert.isFalse(yield* other.remove(CODEX, first))
            assertEquals(yield* attempts.get(CODEX), Option.some(second))
            // What a poll learned about it does not make it another one.
            const slower = PendingLogins.PendingLogin.make({ ...second, interval: Option.some(10) })
            assert.isTrue(yield* other.remove(CODEX, slower))
            assertEquals(yield* attempts.get(CODEX), Option.none())
          }
          yield* attempts.put(CODEX, attempt(now, bare))
          assert.isFalse(yield* other.remove(CODEX, attempt(now, bare)), "nothing tells these two apart")
          assert.isTrue(yield* other.remove(CODEX))
        })
      ))

    for (
      const [what, age] of [
        ["begun at 0", undefined],
        ["16 minutes old", 16 * MINUTE],
        ["begun 16 minutes from now", -16 * MINUTE],
        ["begun in a year", -365 * 24 * 60 * MINUTE]
      ] as const
    ) {
      it.scopedLive(`an attempt ${what} is told to a caller that asks for it, never listed, and dropped by a write`, () =>
        withViews((attempts, other, now) =>
          Effect.gen(function*() {
            const ancient = attempt(age === undefined ? 0 : now - age)
            const writes = [
              attempts.put(keyOf("codex", "bob"), attempt(now)),
              attempts.remove(keyOf("codex", "bob"))
            ]
            for (const write of writes) {
              yield* attempts.put(CODEX, ancient)
              assertEquals(yield* other.get(CODEX), Option.some(ancient))
              assert.notInclude(yield* users(other), CODEX.user)
              yield* write
              assertEquals(yield* other.get(CODEX), Option.none())
            }
            yield* attempts.put(CODEX, ancient)
            assert.isTrue(yield* other.remove(CODEX, ancient))
            assertEquals(yield* attempts.get(CODEX), Option.none())
          })
        ))
    }

    it.scopedLive("an attempt waits for 14 minutes, by a clock that is wrong by as much, too", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          yield* attempts.put(keyOf("codex", "ann"), attempt(now - 14 * MINUTE))
          yield* attempts.put(keyOf("codex", "bob"), attempt(now + 14 * MINUTE))
          yield* attempts.put(keyOf("codex", "cid"), attempt(now))
          yield* other.remove(keyOf("codex", "cid"))
          deepStrictEqual(yield* users(other), ["ann", "bob"])
        })
      ))

    it.scopedLive("concurrent writes through both views lose nothing", () =>
      withViews((attempts, other, now) =>
        Effect.gen(function*() {
          const all = Array.from({ length: 20 }, (_, index) => keyOf("codex", `user-${index}`))
          yield* Effect.forEach(
            all,
            (key, index) => (index % 2 === 0 ? attempts : other).put(key, attempt(now)),
            { concurrency: "unbounded", discard: true }
          )
          deepStrictEqual(yield* users(other), all.map(({ user }) => user).sort())
          const removed = yield* Effect.forEach(
            all,
            (key, index) => (index % 2 === 0 ? other : attempts).remove(key),
            { concurrency: "unbounded" }
          )
          assert.isTrue(removed.every((one) => one))
          deepStrictEqual(yield* attempts.list, [])
        })
      ))
  })
}
