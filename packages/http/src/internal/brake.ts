/**
 * Keeps a client from recovering again and again while the resource server rejects one fresh token after the other: each
 * recovery costs a rotation, and none of them helps. The journal brakes all processes together; this one spares them the
 * question.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** Milliseconds. */
const SHORTEST = 5_000
const LONGEST = 300_000

interface Rejection {
  readonly token: Redacted.Redacted
  /** Monotonic nanoseconds. */
  readonly until: bigint
  /** Fresh tokens that were rejected one after the other. */
  readonly count: number
}

const isSame = (rejection: Rejection | undefined, token: Redacted.Redacted): rejection is Rejection =>
  rejection !== undefined && Redacted.value(rejection.token) === Redacted.value(token)

export interface Brake {
  /** A token works: what was rejected before it is history. */
  readonly release: () => void
  /** Whether this is the fresh token that was rejected a moment ago. Another token is another matter. */
  readonly holds: (token: Redacted.Redacted) => Effect.Effect<boolean>
  /**
   * A fresh token was rejected: no further recovery for a while. Answers with that while in milliseconds, and with none
   * where it was known already.
   */
  readonly pull: (token: Redacted.Redacted) => Effect.Effect<number | undefined>
}

export const make = (): Brake => {
  let last: Rejection | undefined
  return {
    release: () => {
      last = undefined
    },

    holds: (token) => Effect.map(Clock.currentTimeNanos, (now) => isSame(last, token) && now < last.until),

    pull: (token) =>
      Effect.map(Clock.currentTimeNanos, (now) => {
        if (isSame(last, token) && now < last.until) return undefined
        const count = (last?.count ?? 0) + 1
        const pause = Math.min(LONGEST, SHORTEST * 2 ** (count - 1))
        last = { token, until: now + BigInt(pause) * 1_000_000n, count }
        return pause
      })
  }
}
