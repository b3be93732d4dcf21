/**
 * What happens to the hosts and workers of a fleet while it is at work, in an order and at times that a seed decides, so
 * that another fleet can be given the same.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/**
 * The kinds of fault. `kill`: SIGKILL, and a new worker in its place. `freeze`: SIGSTOP, then SIGCONT. `drop`: the server
 * ends the worker's session. `cut`, `stall`, `deafen`, `halfClose`: the network of a host, for a while.
 *
 * @since 0.1.0
 * @category constants
 */
export const KINDS = ["kill", "freeze", "drop", "cut", "stall", "deafen", "halfClose"] as const

/**
 * A kind of fault.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = typeof KINDS[number]

/**
 * One fault.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  readonly kind: Kind
  /** Milliseconds after the fault before it. */
  readonly after: number
  /** Which worker, and with it which host. */
  readonly worker: number
  /** Milliseconds. */
  readonly lasts: number
}

/** How long each lasts, at least and at most: below and above the time to live of the lock that it is compared with. */
const SHORTEST = 400
const LONGEST = 2_600

/**
 * Draws a fault of one of the kinds, `every` so many milliseconds in the middle.
 *
 * @since 0.1.0
 * @category constructors
 */
export const next = (
  kinds: ReadonlyArray<Kind>,
  { every, workers }: { readonly every: number; readonly workers: number }
): Effect.Effect<Fault> =>
  Effect.all({
    kind: Effect.map(Random.nextIntBetween(0, kinds.length), (index) => kinds[index]!),
    after: Random.nextRange(every / 2, every * 1.5),
    worker: Random.nextIntBetween(0, workers),
    lasts: Random.nextRange(SHORTEST, LONGEST)
  })
