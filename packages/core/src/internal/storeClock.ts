/**
 * The clock of a store that many hosts share, for what is to be stored there: when a token ends is written down once and read
 * by all of them, and the clock of this machine may be minutes off.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Held } from "../Custody.js"

/** Milliseconds. A store on this machine has the clock of this machine, read a moment later. */
const APART = 1_000

const ahead = (clock: Clock.Clock, by: number): Clock.Clock => ({
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + by,
  unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
  currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis + by),
  currentTimeNanos: clock.currentTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

/** Runs an effect that tells the time by the store's clock. Waits and bounds are monotonic, and stay what they are. */
export const told = (held: Held) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) =>
    Effect.flatMap(held.now, (now) => {
      const by = now - clock.unsafeCurrentTimeMillis()
      return Math.abs(by) < APART ? effect : Effect.withClock(effect, ahead(clock, by))
    })
  )
