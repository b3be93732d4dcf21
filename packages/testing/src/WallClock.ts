/**
 * A wall clock that a test sets forward or back while the monotonic clock runs on.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * The clock, to be given to a program with `Effect.withClock`, and its setting.
 *
 * @since 0.1.0
 * @category models
 */
export interface WallClock {
  readonly clock: Clock.Clock
  /** Sets the wall clock forward, or back where negative. Milliseconds. */
  readonly shift: (millis: number) => void
}

/**
 * Makes a clock upon the present one, which drives both of its hands.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<WallClock> = Effect.map(Effect.clock, (base) => {
  let offset = 0
  return {
    clock: {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => base.unsafeCurrentTimeMillis() + offset,
      currentTimeMillis: Effect.map(base.currentTimeMillis, (now) => now + offset),
      unsafeCurrentTimeNanos: () => base.unsafeCurrentTimeNanos(),
      currentTimeNanos: base.currentTimeNanos,
      sleep: (duration) => base.sleep(duration)
    },
    shift: (millis) => {
      offset += millis
    }
  }
})
