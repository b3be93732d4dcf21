/** Deadlines on the monotonic clock: setting the wall clock back prolongs none. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** So much later on the monotonic clock, in nanoseconds. */
export const deadlineIn = (duration: Duration.Duration): Effect.Effect<bigint> =>
  Effect.map(Clock.currentTimeNanos, (now) => now + BigInt(Math.round(Duration.toMillis(duration))) * 1_000_000n)

/** Milliseconds that are left. */
export const remaining = (deadline: bigint): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeNanos, (now) => Number((deadline - now) / 1_000_000n))
