import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/**
 * A clock that goes on when it is told to, and wakes who slept until then. Milliseconds.
 */
export interface VirtualClock {
  readonly clock: Clock.Clock
  readonly now: () => number
  /** When the next sleeper wakes; `Infinity` when no fiber sleeps. */
  readonly next: () => number
  readonly advanceTo: (at: number) => void
}

export const make = (start: number): VirtualClock => {
  const sleepers = new Set<Sleeper>()
  let now = start
  const next = () => Math.min(Infinity, ...Array.from(sleepers, ({ at }) => at))
  return {
    now: () => now,
    next,
    advanceTo: (at) => {
      while (next() <= at) {
        const due = next()
        now = Math.max(now, due)
        for (const sleeper of sleepers) {
          if (sleeper.at > due) continue
          sleepers.delete(sleeper)
          sleeper.wake()
        }
      }
      now = Math.max(now, at)
    },
    clock: {
      [Clock.ClockTypeId]: Clock.ClockTypeId,
      unsafeCurrentTimeMillis: () => now,
      currentTimeMillis: Effect.sync(() => now),
      unsafeCurrentTimeNanos: () => BigInt(now) * 1_000_000n,
      currentTimeNanos: Effect.sync(() => BigInt(now) * 1_000_000n),
      sleep: (duration) =>
        Effect.async((resume) => {
          const sleeper = { at: now + Duration.toMillis(duration), wake: () => resume(Effect.void) }
          sleepers.add(sleeper)
          return Effect.sync(() => void sleepers.delete(sleeper))
        })
    }
  }
}
