/**
 * When a device grant is polled (RFC 8628 section 3.5): the server's interval, five seconds more whenever it says so, and
 * further apart while it cannot be reached; until it grants, refuses, or the time is over.
 *
 * @since 0.1.0
 */
import type { LockTimeout } from "@lockstep/core/Errors"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Attempt } from "./AuthorizationResponse.js"
import type { NotYet } from "./DeviceDriver.js"
import type { LoginError } from "./LoginError.js"
import { LoginFailed } from "./LoginError.js"

/** Seconds, RFC 8628 section 3.5. */
const SLOWER = 5

const LONGEST_BACKOFF = 60

interface Pace {
  /** Seconds between two polls that were answered. */
  readonly interval: number
  /** Seconds until the next. */
  readonly wait: number
}

const slower = (interval: number, named: Option.Option<number>): number =>
  Option.match(named, { onNone: () => interval + SLOWER, onSome: (seconds) => Math.max(interval, seconds) })

const steady = (interval: number): Pace => ({ interval, wait: interval })

/** How to go on after a failure that the next poll may not have; `None` where the next poll would fail, too. */
const paceAfter = (pace: Pace, error: LoginError | NotYet): Option.Option<Pace> => {
  const backoff = (atLeast: number) => ({
    interval: pace.interval,
    wait: Math.max(atLeast, Math.min(pace.wait * 2, Math.max(LONGEST_BACKOFF, pace.interval)))
  })
  switch (error._tag) {
    case "NotYet":
      return Option.some(steady(error.slowDown ? slower(pace.interval, error.interval) : pace.interval))
    case "ProviderUnavailable":
      return Option.some(backoff(error.retryAfter / 1_000))
    case "ProviderTimeout":
      return Option.some(backoff(0))
    // Nothing was sent, and the person may have agreed: the holder of the lock will give it back.
    case "LockTimeout":
      return Option.some(steady(pace.interval))
    default:
      return Option.none()
  }
}

/**
 * Polls until the person has agreed, or the attempt ends. Each poll takes the tenant's lock for as long as it is answered;
 * between two polls the lock is free.
 *
 * @since 0.1.0
 * @category combinators
 */
export const untilGranted = <A>(
  { login, tenant }: Attempt,
  poll: Effect.Effect<A, LoginError | NotYet>
): Effect.Effect<A, LoginError> =>
  Effect.gen(function*() {
    const end = Option.getOrElse(login.expiresAt, () => login.createdAt) * 1_000
    let pace = steady(Option.getOrElse(login.interval, () => SLOWER))
    let busy = Option.none<LockTimeout>()
    while (true) {
      const left = end - (yield* Clock.currentTimeMillis)
      yield* Effect.sleep(Math.max(0, Math.ceil(Math.min(pace.wait * 1_000, left))))
      if ((yield* Clock.currentTimeMillis) >= end) {
        return yield* Option.getOrElse(busy, () => new LoginFailed({ tenant, reason: "Expired" }))
      }
      const answer = yield* Effect.either(poll)
      if (Either.isRight(answer)) return answer.right
      const error = answer.left
      const next = paceAfter(pace, error)
      if (Option.isNone(next)) return yield* error as Exclude<typeof error, NotYet>
      pace = next.value
      busy = error._tag === "LockTimeout" ? Option.some(error) : Option.none()
    }
  })

/**
 * Says to a caller that polls step by step that the person has not agreed.
 *
 * @since 0.1.0
 * @category errors
 */
export const notYet = ({ login, tenant }: Attempt) => ({ interval, slowDown }: NotYet): LoginFailed => {
  const seconds = slower(Option.getOrElse(login.interval, () => SLOWER), interval)
  return new LoginFailed({
    tenant,
    reason: "AuthorizationPending",
    ...slowDown ? { detail: `the server asks for ${seconds} s between two polls` } : {}
  })
}
