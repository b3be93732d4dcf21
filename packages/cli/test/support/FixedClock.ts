import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** A clock that always says the same, and whose sleeps end all the same. Milliseconds since the epoch. */
export const make = (now: number): Clock.Clock => {
  const real = Clock.make()
  const nanos = BigInt(now) * 1_000_000n
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => now,
    currentTimeMillis: Effect.succeed(now),
    unsafeCurrentTimeNanos: () => nanos,
    currentTimeNanos: Effect.succeed(nanos),
    sleep: (duration) => real.sleep(duration)
  }
}
