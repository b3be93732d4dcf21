import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * Runs an effect in a fiber that no caller can interrupt, and waits for it through any interruption of our own. The effect
 * itself stays interruptible inside, so that its own timeouts work.
 */
export const detached = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptible(Effect.flatMap(
    Effect.forkDaemon(Effect.interruptible(effect)),
    (fiber) => Effect.flatten(Fiber.await(fiber))
  ))
