/**
 * The exchanges of a server that are under way: how many, how long without a byte, and how they end together.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * An exchange that is under way.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  /** Something moved. */
  readonly touch: () => void
  readonly leave: () => void
}

/**
 * The exchanges that are under way.
 *
 * @since 0.1.0
 * @category models
 */
export interface Workload {
  readonly size: () => number
  readonly isFull: () => boolean
  /** Whether nothing new is taken on. */
  readonly isEnding: () => boolean
  /** Adds an exchange that `cut` ends. */
  readonly enter: (cut: () => void) => Entry
  /** Lets what is under way end, for `grace` milliseconds or until there is a hurry, and cuts the rest. */
  readonly drain: (options: {
    readonly grace: number
    readonly onDrain: (hurry: () => void) => Effect.Effect<void, never, Scope.Scope>
    readonly stop: () => void
    readonly onLeft: () => void
  }) => Effect.Effect<void>
}

interface Underway {
  readonly cut: () => void
  movedAt: number
  /** Where it stands among the others. */
  at: number
}

/** Milliseconds between two looks at what is idle, where that is a matter of hours. */
const MAX_INTERVAL = 5_000

/**
 * Makes a workload. What is idle for `idle` milliseconds is cut.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly limit: number
  readonly idle: number
}): Effect.Effect<Workload, never, Scope.Scope> =>
  Effect.gen(function*() {
    // No set: the tables that one grows out of hold on to what was deleted from them, and to the next table, until the old
    // generation is collected. With an entry per request that is every request.
    const underway: Array<Underway> = []
    let isEnding = false
    let onLeft = () => {}

    // On this machine's own clock, whatever clock the caller runs on: sockets know no other.
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        setInterval(() => {
          const limit = performance.now() - options.idle
          for (const one of underway.slice()) if (one.movedAt < limit) one.cut()
        }, Math.min(MAX_INTERVAL, options.idle / 4)).unref()
      ),
      (timer) => Effect.sync(() => clearInterval(timer))
    )

    return {
      size: () => underway.length,
      isFull: () => underway.length >= options.limit,
      isEnding: () => isEnding,
      enter: (cut) => {
        const one: Underway = { cut, movedAt: performance.now(), at: underway.length }
        underway.push(one)
        return {
          touch: () => {
            one.movedAt = performance.now()
          },
          leave: () => {
            const last = underway.pop()!
            if (last !== one) {
              underway[one.at] = last
              last.at = one.at
            }
            onLeft()
          }
        }
      },
      drain: (drain) =>
        Effect.gen(function*() {
          isEnding = true
          drain.stop()
          if (underway.length === 0) return
          let hurry = () => {}
          const left = new Promise<void>((resolve) => {
            hurry = resolve
            onLeft = () => {
              drain.onLeft()
              if (underway.length === 0) resolve()
            }
          })
          const timer = setTimeout(hurry, drain.grace)
          yield* drain.onDrain(hurry)
          yield* Effect.promise(() => left.finally(() => clearTimeout(timer)))
          for (const one of underway.slice()) one.cut()
        }).pipe(Effect.scoped)
    }
  })
