/**
 * Waiting for a lock, with eyes open.
 *
 * A thread that blocks in `flock` cannot be interrupted, keeps the process from exiting and starves the thread pool, so
 * no thread blocks. Waiting is a loop: look whether the reason to wait is gone, try the lock once, sleep. Looking comes
 * before trying, because a process that waits for a refresh wants its result and not its lock: N waiters that look are
 * all served by one write, N waiters that queue for the lock are served one after the other.
 *
 * The sleep is cut short by plain callbacks. One from the lock says that it seems to be free: the loop goes on. One from
 * the store says that what is looked for may be there: it is looked for within the callback, and the loop only goes on
 * when it was found. So of dozens of processes that wait each is woken once, with the result. Hints can be lost, so a
 * jittered backoff runs underneath.
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
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { CredentialLock, Lease } from "./CredentialLock.js"
import type { Listen } from "./CredentialStore.js"
import { LockTimeout } from "./Errors.js"
import type { LockHolder, LockUnavailable } from "./Errors.js"
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

/**
 * The part of a lock that a waiter uses, for whatever targets the lock knows.
 *
 * @since 0.1.0
 * @category models
 */
export type WaitableLock<Target> =
  & {
    readonly [Member in "holder"]: (target: Target) => ReturnType<CredentialLock["Type"][Member]>
  }
  & {
    readonly listen: (target: Target, hint: () => void) => () => void
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

/** What wakes a wait. */
interface Waiter<A, E> {
  /** The lock seems to be free. */
  readonly hint: () => void
  /** What is looked for may be there. */
  readonly look: () => void
  /** Sleeps until it is woken, at most so long. */
  readonly sleep: (millis: number) => Effect.Effect<Woken<A, E>>
  readonly end: () => void
}

interface Woken<A, E> {
  /** What was found meanwhile, or how looking failed. */
  readonly found: Exit.Exit<A, E> | undefined
  readonly isHinted: boolean
}

const makeWaiter = <A, E>(
  runtime: Runtime.Runtime<never>,
  effect: Effect.Effect<Option.Option<A>, E>
): Waiter<A, E> => {
  let isHinted = false
  let found: Exit.Exit<A, E> | undefined
  let wake: (() => void) | undefined
  let looking: Fiber.RuntimeFiber<Option.Option<A>, E> | undefined
  let mustLookAgain = false
  let isOver = false

  const rouse = (): void => {
    const woken = wake
    wake = undefined
    woken?.()
  }

  const end = (): void => {
    isOver = true
    looking?.unsafeInterruptAsFork(FiberId.none)
  }

  const look = (): void => {
    if (isOver || found !== undefined) return
    mustLookAgain = looking !== undefined
    if (mustLookAgain) return
    // At once: where the store can be read without waiting, all is known when this returns.
    looking = Runtime.runFork(runtime)(effect, { immediate: true })
    looking.addObserver((exit) => {
      looking = undefined
      if (isOver) return
      found = Exit.isFailure(exit)
        ? Exit.failCause(exit.cause)
        : Option.isSome(exit.value)
        ? Exit.succeed(exit.value.value)
        : undefined
      if (found !== undefined) rouse()
      else if (mustLookAgain) look()
    })
  }

  return {
    hint: () => {
      isHinted = true
      rouse()
    },
    look,
    end,
    sleep: (millis) =>
      Effect.async<Woken<A, E>>((resume) => {
        const woken = (): void => {
          resume(Effect.succeed({ found, isHinted }))
          isHinted = false
        }
        if (found !== undefined || isHinted) return woken()
        const timer = Runtime.runFork(runtime)(Effect.sleep(Duration.millis(millis)))
        const hinted = (): void => {
          timer.unsafeInterruptAsFork(FiberId.none)
          woken()
        }
        wake = hinted
        timer.addObserver(() => {
          if (wake !== hinted) return
          wake = undefined
          woken()
        })
        return Effect.sync(() => {
          wake = undefined
          timer.unsafeInterruptAsFork(FiberId.none)
        })
      })
  }
}

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
    /** Calls back when looking again may find something, such as at changes of the store. */
    readonly hints?: Listen
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

  // The lock belongs to the caller's scope, which the wait is not.
  const loop = (waiter: Waiter<A, E>) =>
    Effect.gen(function*() {
      const timeout = Duration.toMillis(options.timeout)
      const began = yield* elapsed
      let firstHolder = Option.none<LockHolder>()
      let askAt = began + timeout * HOLDER_AFTER
      let deadline = began + timeout
      let restarted = false
      let quiet = lock.backoff.min

      // What was written before the subscription is there to be seen; whether the lock is free by now, it tells itself.
      const before = yield* options.look
      if (Option.isSome(before)) return Waited.Found({ value: before.value }) as Waited<A>
      while (true) {
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
        const woken = yield* waiter.sleep(Math.min(Math.ceil(quiet * jitter), deadline - now))
        if (woken.found !== undefined) return Waited.Found({ value: yield* woken.found }) as Waited<A>
        const found = yield* lookOrTake
        if (Option.isSome(found)) return found.value
        quiet = woken.isHinted ? lock.backoff.min : Math.min(quiet * 2, lock.backoff.max)
      }
    })

  // Subscribing and promising to end it are one step.
  const wait = Effect.flatMap(Effect.runtime<never>(), (runtime) =>
    Effect.uninterruptibleMask((restore) => {
      const waiter = makeWaiter(runtime, options.look)
      const ends = [
        lock.listen(target, waiter.hint),
        ...(options.hints === undefined ? [] : [options.hints(waiter.look)])
      ]
      return Effect.ensuring(
        restore(loop(waiter)),
        Effect.sync(() => {
          for (const end of ends) end()
          waiter.end()
        })
      )
    }))

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
