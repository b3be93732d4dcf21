/**
 * What every `CredentialStore` promises.
 *
 * Each test sees one store through two views, as two processes do.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { WritableStore } from "@lockstep/core/WritableStore"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { arbitraryCredential } from "./arbitraryCredential.js"
import * as Credentials from "./credentials.js"

type Store = WritableStore["Type"]

/**
 * What a store can hold, where that is not everything.
 *
 * @since 0.1.0
 * @category models
 */
export interface Holds {
  /** Two tenants that it can name, or the only one. */
  readonly tenants: readonly [TenantId.TenantId, TenantId.TenantId?]
  /** Names that are easily mistaken for each other, or for something else. */
  readonly names: ReadonlyArray<string>
  /** Makes a credential one that it has a place for. */
  readonly fit: (credential: Credential.Credential) => Credential.Credential
  /** Whether it holds logins that are asked for without a refresh token. Left out: no. */
  readonly grants?: boolean
}

/**
 * What a store can hold that can hold everything.
 *
 * @since 0.1.0
 * @category defaults
 */
export const everything: Holds = {
  tenants: [TenantId.make("codex"), TenantId.make("mcp:linear")],
  names: ["codex", "Codex", "codex@work", "mcp:linear", "__proto__", "constructor", "a/../b", "é", "日本", "😀", " "],
  fit: (credential) => credential,
  grants: true
}

const put = (store: Store, tenant: TenantId.TenantId, next: Credential.Credential) =>
  store.modify(tenant, () => Change.Put({ credential: next, value: (stored) => stored }))

const remove = (store: Store, tenant: TenantId.TenantId) =>
  store.modify(tenant, (current) => Change.Remove({ value: Option.isSome(current) }))

const getSome = (store: Store, tenant: TenantId.TenantId) => Effect.flatten(store.get(tenant))

/**
 * Registers the contract's tests. `makeViews` answers with two views of one empty store of its own.
 *
 * @since 0.1.0
 * @category testing
 */
export const credentialStoreContract = <E>(
  name: string,
  makeViews: Effect.Effect<readonly [Store, Store], E, Scope.Scope>,
  { fit, names, tenants: [CODEX, LINEAR] }: Holds = everything
): void => {
  const credential = (generation: number) => fit(Credentials.credential(generation))
  const anyCredential = arbitraryCredential.map(fit)
  const withViews = <A, F>(use: (store: Store, other: Store) => Effect.Effect<A, F, Scope.Scope>) =>
    Effect.flatMap(makeViews, ([store, other]) => use(store, other))

  describe(`CredentialStore contract: ${name}`, () => {
    it.scopedLive("what is absent is answered with None, and is not an error", () =>
      withViews((store) =>
        Effect.gen(function*() {
          deepStrictEqual(yield* store.get(CODEX), Option.none())
          deepStrictEqual(yield* store.list, [])
          assert.isFalse(yield* remove(store, CODEX))
          deepStrictEqual(yield* store.list, [])
        })
      ))

    it.scopedLive("a write is visible through every view when it returns, under the version that it returned", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          for (const generation of [1, 2, 3]) {
            const next = credential(generation)
            const stored = yield* put(store, CODEX, next)
            for (const view of [store, other]) {
              const found = yield* getSome(view, CODEX)
              assert.isTrue(Equal.equals(found.credential, next))
              assert.strictEqual(found.version, stored.version)
            }
          }
        })
      ))

    it.scopedLive("another record has another version", () =>
      withViews((store) =>
        Effect.gen(function*() {
          const first = yield* put(store, CODEX, credential(1))
          const second = yield* put(store, CODEX, credential(2))
          assert.notStrictEqual(first.version, second.version)
        })
      ))

    it.scopedLive("any credential comes back as it was written", () =>
      withViews((store, other) =>
        Effect.promise(() =>
          FastCheck.assert(
            FastCheck.asyncProperty(anyCredential, (next) =>
              Effect.runPromise(Effect.gen(function*() {
                yield* remove(store, CODEX)
                yield* put(store, CODEX, next)
                const found = yield* getSome(other, CODEX)
                assert.isTrue(Equal.equals(found.credential, next))
              }))),
            { numRuns: 50 }
          )
        )
      ))

    it.scopedLive("the decision sees the present record and says what becomes of it", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          const written = yield* put(other, CODEX, credential(1))
          const kept = yield* store.modify(CODEX, (current) => Change.Keep({ value: current }))
          assert.isTrue(Option.isSome(kept) && Equal.equals(kept.value.credential, written.credential))
          assert.strictEqual((yield* getSome(other, CODEX)).version, written.version)
          assert.isTrue(yield* remove(store, CODEX))
          deepStrictEqual(yield* other.get(CODEX), Option.none())
          deepStrictEqual(
            yield* other.modify(CODEX, (current) => Change.Keep({ value: current })),
            Option.none()
          )
        })
      ))

    if (LINEAR !== undefined) {
      it.scopedLive("a change of one tenant leaves the others alone", () =>
        withViews((store, other) =>
          Effect.gen(function*() {
            const linear = yield* put(store, LINEAR, credential(4))
            yield* put(other, CODEX, credential(1))
            yield* put(store, CODEX, credential(2))
            yield* remove(other, CODEX)
            const found = yield* getSome(store, LINEAR)
            assert.strictEqual(found.version, linear.version)
            assert.isTrue(Equal.equals(found.credential, linear.credential))
          })
        ))
    }

    it.scopedLive("names are told apart exactly and all of them are listed", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          const written = new Map<string, Credential.Version>()
          for (const name of names) {
            written.set(name, (yield* put(store, TenantId.make(name), credential(written.size))).version)
          }
          for (const [name, version] of written) {
            assert.strictEqual((yield* getSome(other, TenantId.make(name))).version, version)
          }
          deepStrictEqual([...yield* other.list].sort(), names.map((name) => TenantId.make(name)).sort())
        })
      ))

    it.scopedLive("concurrent read-modify-writes through both views lose nothing", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          yield* Effect.forEach(Array.from({ length: 20 }, (_, i) => i % 2 === 0 ? store : other), (view) =>
            view.modify(CODEX, (current) =>
              Change.Put({
                credential: credential(Option.match(current, {
                  onNone: () =>
                    1,
                  onSome: (stored) => stored.credential.generation + 1
                })),
                value: () => undefined
              })), { concurrency: "unbounded" })
          assert.strictEqual((yield* getSome(store, CODEX)).credential.generation, 20)
        })
      ))

    it.scopedLive("the epoch moves with a write and rests without one", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          yield* put(store, CODEX, credential(1))
          const changes = yield* store.changes(CODEX)
          store.epoch(CODEX)
          const before = store.epoch(CODEX)
          yield* put(store, CODEX, credential(2))
          const after = store.epoch(CODEX)
          assert.notStrictEqual(after, before)
          yield* Queue.takeAll(changes)
          // Another process's write may be noticed late, and is noticed when it is announced.
          yield* put(other, CODEX, credential(3))
          yield* Queue.take(changes)
          yield* Effect.iterate(store.epoch(CODEX), {
            while: (epoch) => epoch === after,
            body: () => Effect.map(Effect.yieldNow(), () => store.epoch(CODEX))
          })
        })
      ))

    if (LINEAR !== undefined) {
      it.scopedLive("a write for one tenant wakes and invalidates no other", () =>
        withViews((store, other) =>
          Effect.gen(function*() {
            yield* put(store, CODEX, credential(1))
            yield* put(store, LINEAR, credential(1))
            const [codex, linear] = [yield* store.changes(CODEX), yield* store.changes(LINEAR)]
            // Asked before it is read, as by every reader that keeps what it read.
            const before = store.epoch(CODEX)
            yield* getSome(store, CODEX)
            for (const [generation, writer] of [store, other, store, other].entries()) {
              yield* put(writer, LINEAR, credential(generation + 2))
              yield* Queue.take(linear)
              assert.strictEqual(store.epoch(CODEX), before)
            }
            yield* remove(other, LINEAR)
            yield* Queue.take(linear)
            assert.strictEqual(store.epoch(CODEX), before)
            deepStrictEqual(yield* Queue.size(codex), 0)
            yield* put(other, CODEX, credential(2))
            yield* Queue.take(codex)
            yield* Effect.iterate(store.epoch(CODEX), {
              while: (epoch) => epoch === before,
              body: () => Effect.map(Effect.yieldNow(), () => store.epoch(CODEX))
            })
            deepStrictEqual(yield* Queue.size(linear), 0)
          })
        ))
    }

    it.scopedLive("a subscriber is told of a change by any process", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          const mine = yield* store.changes(CODEX)
          yield* put(store, CODEX, credential(1))
          yield* Queue.take(mine)
          const theirs = yield* other.changes(CODEX)
          yield* put(store, CODEX, credential(2))
          yield* Queue.take(theirs)
          yield* remove(store, CODEX)
          yield* Queue.take(theirs)
        })
      ))

    it.scopedLive("preparing shows readers nothing", () =>
      withViews((store, other) =>
        Effect.gen(function*() {
          yield* store.prepare(CODEX)
          deepStrictEqual(yield* other.list, [])
          const written = yield* put(store, CODEX, credential(1))
          yield* store.prepare(CODEX)
          assert.strictEqual((yield* getSome(other, CODEX)).version, written.version)
        })
      ))
  })
}
