/**
 * What every `CredentialLock` promises.
 *
 * Time stands still in most of these tests: a waiter that goes on was woken by a hint and not by its backoff.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import * as LockWait from "@lockstep/core/LockWait"
import * as TenantId from "@lockstep/core/TenantId"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

const CODEX = LockTarget.Tenant({ tenant: TenantId.make("codex") })
const LINEAR = LockTarget.Tenant({ tenant: TenantId.make("mcp:linear") })
const OPTIONS = { label: "codex", timeout: Duration.minutes(1) }

/**
 * The same lock, which tells of every try that finds it busy and of every waiter, and counts the tries that take it.
 *
 * @since 0.1.0
 * @category testing
 */
export const observe = <
  Lock extends {
    readonly tryAcquire: (...args: never) => ReturnType<CredentialLock["Type"]["tryAcquire"]>
    readonly listen: (...args: never) => () => void
  }
>(
  lock: Lock
): Effect.Effect<{
  readonly lock: Lock
  readonly busy: Queue.Dequeue<void>
  readonly waiting: Queue.Dequeue<void>
  readonly taken: () => number
}> =>
  Effect.map(Effect.all([Queue.unbounded<void>(), Queue.unbounded<void>()]), ([busy, waiting]) => {
    let taken = 0
    return {
      busy,
      waiting,
      taken: () => taken,
      lock: {
        ...lock,
        tryAcquire: (...args: never) =>
          Effect.tap(
            lock.tryAcquire(...args),
            Option.match({
              onNone: () => Queue.offer(busy, undefined),
              onSome: () => Effect.sync(() => ++taken)
            })
          ),
        listen: (...args: never) => {
          const end = lock.listen(...args)
          waiting.unsafeOffer(undefined)
          return end
        }
      }
    }
  })

/**
 * Waits until so many waiters have subscribed to hints.
 *
 * @since 0.1.0
 * @category testing
 */
export const areWaiting = (waiting: Queue.Dequeue<void>, count = 1): Effect.Effect<void> =>
  Effect.asVoid(Queue.takeN(waiting, count))

const takeNow = (lock: CredentialLock["Type"], target: LockTarget) =>
  Effect.flatMap(lock.tryAcquire(target), Effect.orElseFail(() => `${target._tag} is busy`))

/**
 * How a lock differs.
 *
 * @since 0.1.0
 * @category testing
 */
export interface LockContractOptions {
  /** Whether all tenants have one lock, as in the files of some tools. */
  readonly isOneForAllTenants?: boolean
}

/**
 * Registers the contract's tests. `makeLayer` answers with a lock that no other caller holds.
 *
 * @since 0.1.0
 * @category testing
 */
export const credentialLockContract = <E>(
  name: string,
  makeLayer: () => Layer.Layer<CredentialLock, E>,
  { isOneForAllTenants = false }: LockContractOptions = {}
): void => {
  const withLock = <A, F, R>(use: (lock: CredentialLock["Type"]) => Effect.Effect<A, F, R>) =>
    Effect.provide(Effect.flatMap(CredentialLock, use), makeLayer())

  describe(`CredentialLock contract: ${name}`, () => {
    it.effect("a held lock is busy, which is a value, until it is released", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          const lease = yield* takeNow(lock, CODEX)
          assert.isTrue(Option.isNone(yield* lock.tryAcquire(CODEX)))
          yield* lease.release({ changed: false })
          const next = yield* takeNow(lock, CODEX)
          assert.isTrue(Option.isNone(yield* lock.tryAcquire(CODEX)))
          yield* next.release({ changed: true })
          assert.isTrue(Option.isSome(yield* lock.tryAcquire(CODEX)))
        })
      ))

    it.effect("groups and tenants do not exclude each other, in this order", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          yield* takeNow(lock, LockTarget.RotationGroup({ group: "g" }))
          yield* takeNow(lock, CODEX)
          deepStrictEqual(Option.isNone(yield* lock.tryAcquire(LINEAR)), isOneForAllTenants)
        })
      ))

    it.effect("asking for the holder takes nothing", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          yield* lock.holder(CODEX)
          yield* takeNow(lock, CODEX)
          yield* lock.holder(CODEX)
          assert.isTrue(Option.isNone(yield* lock.tryAcquire(CODEX)))
        })
      ))

    it.scoped("a release that changed nothing wakes a waiter", () =>
      withLock((held) =>
        Effect.gen(function*() {
          const { lock, waiting } = yield* observe(held)
          const lease = yield* takeNow(lock, CODEX)
          const waiter = yield* Effect.fork(LockWait.acquire(lock, CODEX, OPTIONS))
          yield* areWaiting(waiting)
          yield* lease.release({ changed: false })
          yield* Fiber.join(waiter)
          assert.isTrue(Option.isNone(yield* lock.tryAcquire(CODEX)))
        })
      ))

    it.scoped("a waiter that finds what it waits for goes without ever taking the lock", () =>
      withLock((held) =>
        Effect.gen(function*() {
          const { lock, taken, waiting } = yield* observe(held)
          yield* takeNow(lock, CODEX)
          let stored = Option.none<string>()
          const changes = new Set<() => void>()
          const waiters = yield* Effect.forEach([1, 2, 3], () =>
            Effect.fork(LockWait.acquireOr(lock, CODEX, {
              ...OPTIONS,
              look: Effect.sync(() => stored),
              hints: (change) => {
                changes.add(change)
                return () => changes.delete(change)
              }
            })))
          yield* areWaiting(waiting, waiters.length)
          stored = Option.some("the winner's token")
          changes.forEach((change) => change())
          for (const waiter of waiters) {
            deepStrictEqual(yield* Fiber.join(waiter), LockWait.Waited.Found({ value: "the winner's token" }))
          }
          assert.strictEqual(taken(), 1)
          assert.strictEqual(changes.size, 0)
        })
      ))

    it.effect("the scope gives the lock back, whatever it ends with", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          const acquired = LockWait.acquire(lock, CODEX, OPTIONS)
          yield* Effect.scoped(acquired)
          yield* Effect.exit(Effect.scoped(Effect.zipRight(acquired, Effect.fail("failed"))))
          yield* Effect.exit(Effect.scoped(Effect.zipRight(acquired, Effect.die("died"))))
          const inside = yield* Deferred.make<void>()
          const cut = yield* Effect.fork(
            Effect.scoped(Effect.zipRight(acquired, Effect.zipRight(Deferred.succeed(inside, undefined), Effect.never)))
          )
          yield* Deferred.await(inside)
          assert.isTrue(Option.isNone(yield* lock.tryAcquire(CODEX)))
          yield* Fiber.interrupt(cut)
          yield* takeNow(lock, CODEX)
        })
      ))

    it.scoped("an interrupted waiter holds nothing", () =>
      withLock((held) =>
        Effect.gen(function*() {
          const { lock, taken, waiting } = yield* observe(held)
          const lease = yield* takeNow(lock, CODEX)
          const waiter = yield* Effect.fork(Effect.scoped(LockWait.acquire(lock, CODEX, OPTIONS)))
          yield* areWaiting(waiting)
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiter)))
          assert.strictEqual(taken(), 1)
          yield* lease.release({ changed: false })
          yield* takeNow(lock, CODEX)
        })
      ))

    it.scoped("a wait ends with LockTimeout, and the lock stays with its holder", () =>
      withLock((held) =>
        Effect.gen(function*() {
          const { lock, taken, waiting } = yield* observe(held)
          yield* takeNow(lock, CODEX)
          const timeout = Duration.millis(200)
          const waiter = yield* Effect.fork(Effect.flip(LockWait.acquire(lock, CODEX, { ...OPTIONS, timeout })))
          yield* areWaiting(waiting)
          yield* TestClock.adjust(Duration.seconds(1))
          const error = yield* Fiber.join(waiter)
          assert.strictEqual(error._tag, "LockTimeout")
          assert.strictEqual(taken(), 1)
          assert.isTrue(Option.isNone(yield* lock.tryAcquire(CODEX)))
        })
      ))

    it.live("many want it, and one at a time has it", () =>
      withLock((lock) =>
        Effect.gen(function*() {
          let inside = 0
          let most = 0
          let turns = 0
          const turn = Effect.scoped(Effect.gen(function*() {
            yield* LockWait.acquire(lock, CODEX, OPTIONS)
            most = Math.max(most, ++inside)
            yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
            inside--
            turns++
          }))
          yield* Effect.all(Array.from({ length: 20 }, () => turn), { concurrency: "unbounded", discard: true })
          deepStrictEqual({ most, turns }, { most: 1, turns: 20 })
        })
      ))
  })
}
