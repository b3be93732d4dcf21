/**
 * A place that every fiber passes until it is held, so that a test decides what has happened when.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/**
 * A caller that waits at a gate.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival<A> {
  readonly who: A
  /** Lets only this one pass. */
  readonly pass: Effect.Effect<void>
}

/**
 * A gate that is held. Every caller that comes is announced and waits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hold<A> {
  /** The callers that came since the gate is held. Taking waits for the next one. */
  readonly arrivals: Queue.Dequeue<Arrival<A>>
  /** Lets every fiber pass, now and later. */
  readonly release: Effect.Effect<void>
}

/**
 * A gate for arrivals that are told apart by `A`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gate<A> {
  /** Holds the gate until released, at the latest when the scope closes. */
  readonly hold: Effect.Effect<Hold<A>, never, Scope.Scope>
  /** Passes, or waits while the gate is held. */
  readonly pass: (who: A) => Effect.Effect<void>
}

/**
 * Makes a gate that is open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A>(): Gate<A> => {
  const holds = new Set<{ readonly arrivals: Queue.Queue<Arrival<A>>; readonly opened: Deferred.Deferred<void> }>()
  return {
    hold: Effect.acquireRelease(
      Effect.gen(function*() {
        const arrivals = yield* Queue.unbounded<Arrival<A>>()
        const opened = yield* Deferred.make<void>()
        const hold = { arrivals, opened }
        holds.add(hold)
        const release = Effect.suspend(() => {
          holds.delete(hold)
          return Effect.asVoid(Deferred.succeed(opened, undefined))
        })
        return { arrivals, release }
      }),
      (hold) => hold.release
    ),
    pass: (who) =>
      Effect.suspend(() =>
        Effect.forEach(
          [...holds],
          (hold) =>
            Effect.gen(function*() {
              const passed = yield* Deferred.make<void>()
              yield* Queue.offer(hold.arrivals, { who, pass: Effect.asVoid(Deferred.succeed(passed, undefined)) })
              yield* Effect.raceFirst(Deferred.await(passed), Deferred.await(hold.opened))
            }),
          { concurrency: "unbounded", discard: true }
        )
      )
  }
}
