import * as Effect from "effect/Effect"

/**
 * `Effect.raceFirst`, safe to interrupt at every operation. That one makes its two fibers in one operation and starts
 * them in the next; interrupted in between, it waits for ever for fibers that are never started. In an uninterruptible
 * region the next operation always comes, and interruption still reaches the two, as children of the waiting fiber.
 */
export const raceFirst = <A, E, R, A2, E2, R2>(
  self: Effect.Effect<A, E, R>,
  that: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.uninterruptibleMask((restore) => Effect.raceFirst(restore(self), restore(that)))
