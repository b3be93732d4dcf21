/**
 * What every `FileLock` promises beyond a `CredentialLock`: the lock of the writes, and what may be entered within a lease.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as LockWait from "@lockstep/core/LockWait"
import * as TenantId from "@lockstep/core/TenantId"
import { FileLock } from "@lockstep/node/locks/FileLock"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { areWaiting, observe } from "./CredentialLockContract.js"

const CODEX = LockTarget.Tenant({ tenant: TenantId.make("codex") })
const AGGREGATE = LockTarget.Aggregate()

type Lock = FileLock["Type"]

/**
 * Registers the contract's tests. `makeLayer` answers with a lock that no other process holds.
 *
 * @since 0.1.0
 * @category testing
 */
export const fileLockContract = <E>(name: string, makeLayer: () => Layer.Layer<FileLock, E>): void => {
  const withLock = <A, F, R>(use: (lock: Lock) => Effect.Effect<A, F, R>) =>
    Effect.provide(Effect.flatMap(FileLock, use), makeLayer())

  const take = (lock: Lock, target: LockTarget, options?: Parameters<Lock["tryAcquire"]>[1]) =>
    Effect.flatMap(lock.tryAcquire(target, options), Effect.orElseFail(() => `${target._tag} is busy`))
  const isFree = (lock: Lock, target: LockTarget, options?: Parameters<Lock["tryAcquire"]>[1]) =>
    Effect.map(lock.tryAcquire(target, options), Option.isSome)

  describe(`FileLock contract: ${name}`, () => {
    it.effect("the writer within a lease of its tenant waits for no lock that the lease holds", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          const tenant = yield* take(lock, CODEX)
          const aggregate = yield* take(lock, AGGREGATE, { within: tenant })
          assert.isFalse(yield* isFree(lock, AGGREGATE))
          yield* aggregate.release({ changed: true })
          assert.isFalse(yield* isFree(lock, CODEX))
          yield* tenant.release({ changed: false })
          assert.isTrue(yield* isFree(lock, CODEX))
        })
      ))

    it.effect("two writers within one lease are two", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          const tenant = yield* take(lock, CODEX)
          const first = yield* take(lock, AGGREGATE, { within: tenant })
          assert.isFalse(yield* isFree(lock, AGGREGATE, { within: tenant }))
          yield* first.release({ changed: true })
          const second = yield* take(lock, AGGREGATE, { within: tenant })
          assert.isFalse(yield* isFree(lock, AGGREGATE, { within: first }))
          yield* second.release({ changed: true })
        })
      ))

    it.effect("a process that holds the writes writes within that lease, once at a time", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          const move = yield* take(lock, AGGREGATE)
          for (const _ of [1, 2]) {
            const write = yield* take(lock, AGGREGATE, { within: move })
            assert.isFalse(yield* isFree(lock, AGGREGATE, { within: move }))
            const nested = yield* take(lock, AGGREGATE, { within: write })
            yield* nested.release({ changed: true })
            yield* write.release({ changed: true })
          }
          assert.isFalse(yield* isFree(lock, AGGREGATE))
          yield* move.release({ changed: false })
          assert.isTrue(yield* isFree(lock, AGGREGATE))
        })
      ))

    it.effect("a lease that was given back lets nothing be entered", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          const gone = yield* take(lock, AGGREGATE)
          yield* gone.release({ changed: false })
          deepStrictEqual(yield* gone.lost, Option.none())
          const held = yield* take(lock, AGGREGATE)
          assert.isFalse(yield* isFree(lock, AGGREGATE, { within: gone }))
          yield* gone.release({ changed: false })
          assert.isFalse(yield* isFree(lock, AGGREGATE))
          yield* held.release({ changed: false })
        })
      ))

    it.scoped("any other holder in this process waits, whatever fiber it was started by", () =>
      withLock((held) =>
        Effect.gen(function*() {
          const { lock, waiting } = yield* observe(held)
          const lease = yield* take(lock, AGGREGATE)
          const waiter = yield* Effect.fork(
            LockWait.acquire(lock, AGGREGATE, { label: "auth.json", timeout: Duration.minutes(1) })
          )
          yield* areWaiting(waiting)
          yield* lease.release({ changed: false })
          yield* Fiber.join(waiter)
        })
      ))
  })
}
