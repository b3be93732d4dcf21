/**
 * Waiting for a lock, with eyes open.
 *
 * A thread that blocks in `flock` cannot be interrupted, keeps the process from exiting and starves the thread pool, so
 * no thread blocks. Waiting is a loop: look whether the reason to wait is gone, try the lock once, sleep. Looking comes
 * before trying, because a process that waits for a refresh wants its result and not its lock: N waiters that look are
 * all served by one write, N waiters that queue for the lock are served one after the other.
 *
 * The sleep is cut short by hints (the store changed, a sidecar was touched), and a hint starts a short burst of tries,
 * since a holder writes before it unlocks. Hints can be lost, so a jittered backoff runs underneath.
 *
 * Only the single try is uninterruptible: taking a lock and promising to give it back are one step, the wait before it
 * is not part of that step.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { CredentialLock, Lease } from "./CredentialLock.js"
import { LockTimeout } from "./Errors.js"
import type { LockHolder, LockUnavailable } from "./Errors.js"
import { raceFirst } from "./internal/race.js"
import * as Metrics from "./Metrics.js"

/**
 * A lock that this scope holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface HeldLock {
  readonly lease: Lease
  /** Notes that the holder wrote something that wakes the waiters, so that the release need not. */
  readonly wrote: Effect.Effect<void>
}

/**
 * How a wait ended: with the lock, or with what made it needless.
 *
 * @since 0.1.0
 * @category models
 */
export type Waited<A> = Data.TaggedEnum<{
  Acquired: { readonly lock: HeldLock }
  Found: { readonly value: A }
}>

interface WaitedDefinition extends Data.TaggedEnum.WithGenerics<1> {
  readonly taggedEnum: Waited<this["A"]>
}

/**
 * Constructors of {@link Waited}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Waited = Data.taggedEnum<WaitedDefinition>()

/** Delays after a hint, in milliseconds: the holder has written and is about to unlock. */
const BURST = [1, 1, 2, 2, 4, 4, 8] as const

/**
 * The part of a lock that a waiter uses, for whatever targets the lock knows.
 *
 * @since 0.1.0
 * @category models
 */
export type WaitableLock<Target> =
  & {
    readonly [Member in "wakeups" | "holder"]: (target: Target) => ReturnType<CredentialLock["Type"][Member]>
  }
  & {
    readonly tryAcquire: (
      target: Target,
      options?: { readonly within?: Lease }
    ) => ReturnType<CredentialLock["Type"]["tryAcquire"]>
    readonly backoff: CredentialLock["Type"]["backoff"]
  }

const take = <Target>(
  lock: WaitableLock<Target>,
  target: Target,
  within: Lease | undefined
): Effect.Effect<Option.Option<HeldLock>, LockUnavailable, Scope.Scope> =>
  Effect.uninterruptible(Effect.flatMap(
    lock.tryAcquire(target, within === undefined ? undefined : { within }),
    Option.match({
      onNone: () => Effect.succeedNone,
      onSome: (lease) => {
        let changed = false
        return Effect.as(
          Effect.addFinalizer(() => lease.release({ changed })),
          Option.some<HeldLock>({
            lease,
            wrote: Effect.sync(() => {
              changed = true
            })
          })
        )
      }
    })
  ))

const isSameHolder = (a: Option.Option<LockHolder>, b: Option.Option<LockHolder>): boolean =>
  Option.isNone(a) || Option.isNone(b) ||
  (a.value.pid === b.value.pid && Option.getOrNull(a.value.startedAt) === Option.getOrNull(b.value.startedAt))

/**
 * The share of the timeout after which the holder is asked for, to see later whether it changed. Most waits are over by
 * then, and asking is dear: the system's table of locks is read whole, by every waiter.
 */
const HOLDER_AFTER = 0.1

/** Milliseconds on the monotonic clock: a wall clock that is set back must not prolong a wait. */
const elapsed: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/**
 * Takes a lock for the rest of the scope, or finds what makes it needless, whichever comes first.
 *
 * `look` is asked before every try and must not wait. `timeout` starts afresh once when the holder changes, since the
 * new holder may legally hold as long as the one before. Fails with `LockTimeout`, naming the holder, or with
 * `LockUnavailable` as soon as a try says so.
 *
 * @since 0.1.0
 * @category combinators
 */
export const acquireOr = <Target extends { readonly _tag: string }, A, E>(
  lock: WaitableLock<Target>,
  target: Target,
  options: {
    /** A lock that the caller holds already and that serves this target, too. */
    readonly within?: Lease
    readonly timeout: Duration.Duration
    /** What errors call the lock: the tenant's name. */
    readonly label: string
    readonly look: Effect.Effect<Option.Option<A>, E>
    /** Hints beside the lock's own, such as changes of the store. */
    readonly hints?: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
  }
): Effect.Effect<Waited<A>, E | LockTimeout | LockUnavailable, Scope.Scope> => {
  const lookOrTake: Effect.Effect<Option.Option<Waited<A>>, E | LockUnavailable, Scope.Scope> = Effect.flatMap(
    options.look,
    Option.match({
      onSome: (value) => Effect.succeedSome(Waited.Found({ value }) as Waited<A>),
      onNone: () =>
        Effect.map(
          take(lock, target, options.within),
          Option.map((held) => Waited.Acquired({ lock: held }) as Waited<A>)
        )
    })
  )

  // The subscriptions end with the wait; the lock belongs to the caller's scope.
  const wait = Effect.scopeWith((outer) =>
    Effect.scoped(Effect.gen(function*() {
      // One queue for all hints: a waiter that forked a race over several at every turn would burn what its winner needs.
      const hints = yield* Queue.sliding<void>(1)
      for (const source of [lock.wakeups(target), ...(options.hints === undefined ? [] : [options.hints])]) {
        const queue = yield* source
        yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(queue), () => Queue.offer(hints, undefined))))
      }
      const timeout = Duration.toMillis(options.timeout)
      const began = yield* elapsed
      let firstHolder = Option.none<LockHolder>()
      let askAt = began + timeout * HOLDER_AFTER
      let deadline = began + timeout
      let restarted = false
      let burst: number = BURST.length
      let quiet = lock.backoff.min

      while (true) {
        const found = yield* Scope.extend(lookOrTake, outer)
        if (Option.isSome(found)) return found.value

        const now = yield* elapsed
        if (now >= askAt) {
          firstHolder = yield* lock.holder(target)
          askAt = Infinity
        }
        if (now >= deadline) {
          const holder = yield* lock.holder(target)
          if (restarted || isSameHolder(firstHolder, holder)) {
            return yield* new LockTimeout({ lock: options.label, waited: now - began, holder })
          }
          restarted = true
          deadline = now + timeout
        }

        const jitter = yield* Random.nextRange(0.5, 1)
        const delay = burst < BURST.length ? BURST[burst]! : Math.ceil(quiet * jitter)
        const hinted = yield* raceFirst(
          Effect.as(Queue.take(hints), true),
          Effect.as(Effect.sleep(Duration.millis(Math.min(delay, deadline - now))), false)
        )
        if (hinted) {
          burst = 0
          quiet = lock.backoff.min
        } else if (burst < BURST.length) burst++
        else quiet = Math.min(quiet * 2, lock.backoff.max)
      }
    }))
  )

  // The uncontended case pays for no subscription.
  return Effect.flatMap(
    lookOrTake,
    Option.match({ onSome: (waited) => Effect.succeed(waited), onNone: () => wait })
  ).pipe(Metrics.timeLockWait(target))
}

/**
 * Takes a lock for the rest of the scope.
 *
 * @since 0.1.0
 * @category combinators
 */
export const acquire = <Target extends { readonly _tag: string }>(
  lock: WaitableLock<Target>,
  target: Target,
  options: {
    readonly timeout: Duration.Duration
    readonly label: string
    readonly within?: Lease
  }
): Effect.Effect<HeldLock, LockTimeout | LockUnavailable, Scope.Scope> =>
  Effect.flatMap(
    acquireOr<Target, never, never>(lock, target, { ...options, look: Effect.succeedNone }),
    (waited) => waited._tag === "Acquired" ? Effect.succeed(waited.lock) : Effect.never
  )
