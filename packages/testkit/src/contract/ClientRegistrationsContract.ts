/**
 * What every `ClientRegistrations` promises.
 *
 * Each test sees one store of registrations through two views, as two processes do.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { type ClientRegistrations, RegisteredClient } from "@lockstep/core/ClientRegistrations"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

type Registrations = ClientRegistrations["Type"]

const ISSUER = "https://id.example"

/** Each is another issuer: they are compared as text. */
const ISSUERS = [ISSUER, `${ISSUER}/`, `${ISSUER}/a`, "https://ID.example", "__proto__", "constructor", "é \"\\\n"]

const client = (clientId: string, rest: Partial<RegisteredClient> = {}) =>
  RegisteredClient.make({ clientId, registeredAt: 1_790_000_000, ...rest })

/**
 * Registers the contract's tests. `makeViews` answers with two views of one empty store of its own.
 *
 * @since 0.1.0
 * @category testing
 */
export const clientRegistrationsContract = <E>(
  name: string,
  makeViews: Effect.Effect<readonly [Registrations, Registrations], E, Scope.Scope>
): void => {
  describe(`ClientRegistrations contract: ${name}`, () => {
    it.scopedLive("what was never registered is absent, and not an error", () =>
      Effect.gen(function*() {
        const [one] = yield* makeViews
        assertEquals(yield* one.get(ISSUER), Option.none())
        assert.deepStrictEqual(yield* one.list, [])
        assert.isFalse(yield* one.end(ISSUER, "dyn-1"))
      }))

    it.scopedLive("a registration is there for every view when it was put, with its secret wrapped", () =>
      Effect.gen(function*() {
        const [one, other] = yield* makeViews
        const registered = client("dyn-1", {
          clientSecret: Option.some(Redacted.make("lockstep-client-secret")),
          clientSecretExpiresAt: Option.some(1_890_000_000),
          tokenEndpointAuthMethod: Option.some("client_secret_basic"),
          redirectUri: Option.some("http://127.0.0.1:50000/callback")
        })
        yield* one.put(ISSUER, registered)
        for (const view of [one, other]) {
          const found = yield* Effect.flatten(view.get(ISSUER))
          assertEquals(found, registered)
          assert.notInclude(`${String(found)} ${JSON.stringify(found)}`, "lockstep-client-secret")
          assert.deepStrictEqual((yield* view.list).map(({ issuer }) => issuer), [ISSUER])
        }
      }))

    it.scopedLive("each issuer has its own, and a later one takes the place of an earlier one", () =>
      Effect.gen(function*() {
        const [one, other] = yield* makeViews
        yield* Effect.forEach(ISSUERS, (issuer, at) => one.put(issuer, client(`dyn-${at}`)))
        yield* other.put(ISSUER, client("again"))
        const names = yield* Effect.forEach(
          ISSUERS,
          (issuer) => Effect.map(other.get(issuer), Option.map(({ clientId }) => clientId))
        )
        assert.deepStrictEqual(names.map(Option.getOrNull), [
          "again",
          "dyn-1",
          "dyn-2",
          "dyn-3",
          "dyn-4",
          "dyn-5",
          "dyn-6"
        ])
        assert.lengthOf(yield* one.list, ISSUERS.length)
      }))

    it.scopedLive("of several that register at once the first one's is kept, and all are told of it", () =>
      Effect.gen(function*() {
        const [one, other] = yield* makeViews
        const kept = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, i) => [i % 2 === 0 ? one : other, client(`dyn-${i}`)] as const),
          ([view, registered]) => view.putIfAbsent(ISSUER, registered, Option.none()),
          { concurrency: "unbounded" }
        )
        assert.lengthOf([...new Set(kept.map(({ clientId }) => clientId))], 1)
        for (const view of [one, other]) {
          assertEquals(yield* view.get(ISSUER), Option.some(kept[0]!))
          assert.lengthOf(yield* view.list, 1)
        }
      }))

    it.scopedLive("one that has ended, or that another was registered in place of, is no reason to keep it", () =>
      Effect.gen(function*() {
        const [one, other] = yield* makeViews
        const first = yield* one.putIfAbsent(ISSUER, client("dyn-1"), Option.none())
        assert.strictEqual(first.clientId, "dyn-1")
        assert.strictEqual((yield* other.putIfAbsent(ISSUER, client("dyn-2"), Option.some("dyn-1"))).clientId, "dyn-2")
        // It set out with one that is replaced by now.
        assert.strictEqual((yield* one.putIfAbsent(ISSUER, client("dyn-3"), Option.some("dyn-1"))).clientId, "dyn-2")
        yield* other.end(ISSUER, "dyn-2")
        assert.strictEqual((yield* one.putIfAbsent(ISSUER, client("dyn-4"), Option.none())).clientId, "dyn-4")
        const over = client("dyn-5", { clientSecretExpiresAt: Option.some(1) })
        yield* other.put(ISSUER, over)
        assert.strictEqual((yield* one.putIfAbsent(ISSUER, client("dyn-6"), Option.none())).clientId, "dyn-6")
        assert.strictEqual((yield* Effect.flatten(other.get(ISSUER))).clientId, "dyn-6")
      }))

    it.scopedLive("the end of a client is noted, but not where another was registered meanwhile", () =>
      Effect.gen(function*() {
        const [one, other] = yield* makeViews
        yield* one.put(ISSUER, client("dyn-1"))
        assert.isFalse(yield* other.end(ISSUER, "dyn-0"))
        assert.isFalse((yield* Effect.flatten(one.get(ISSUER))).ended)
        assert.isTrue(yield* other.end(ISSUER, "dyn-1"))
        assert.isTrue(yield* one.end(ISSUER, "dyn-1"))
        assert.isTrue((yield* Effect.flatten(one.get(ISSUER))).ended)
        yield* one.put(ISSUER, client("dyn-2"))
        assert.isFalse(yield* other.end(ISSUER, "dyn-1"))
        assert.isFalse((yield* Effect.flatten(other.get(ISSUER))).ended)
      }))
  })
}
