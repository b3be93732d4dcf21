import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Credential from "../Credential.js"
import type { RefreshError } from "../Errors.js"
import * as Freshness from "../Freshness.js"
import type { TenantId } from "../TenantId.js"
import { raceFirst } from "./race.js"

/** How often a credential without a known expiry is looked at. */
const UNKNOWN_EXPIRY = Duration.minutes(1)
const SHORTEST = 1_000

/**
 * When to look again: inside the margin, a random bit further each time, so that of many processes one wakes first and
 * the others find its work done.
 */
const nextLook = (credential: Credential.Credential, margin: number): Effect.Effect<Duration.Duration> =>
  Option.match(credential.expiresAt, {
    onNone: () => Effect.succeed(UNKNOWN_EXPIRY),
    onSome: (expiresAt) =>
      Effect.map(Effect.all([Clock.currentTimeMillis, Random.nextRange(0.75, 1)]), ([now, jitter]) =>
        Duration.millis(
          Math.max(
            SHORTEST,
            expiresAt * 1_000 - Freshness.effectiveMargin(Credential.lifetime(credential), margin) * jitter - now
          )
        ))
  })

const waitAfter = (error: RefreshError): Duration.Duration => {
  switch (error._tag) {
    case "ProviderUnavailable":
      return Duration.millis(Math.max(SHORTEST, error.retryAfter))
    // A person or another process changes these, and then the store changes.
    case "ReauthorizationRequired":
    case "ProviderRejected":
      return Duration.minutes(5)
    default:
      return Duration.seconds(30)
  }
}

/** Refreshes for as long as the scope lives: before the token runs out, and whenever the store changes. */
export const keepFresh = (tenant: TenantId, options: {
  readonly obtain: Effect.Effect<Credential.Credential, RefreshError>
  readonly margin: (credential: Credential.Credential) => number
  readonly changes: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const changed = yield* options.changes
    const round = options.obtain.pipe(
      Effect.flatMap((credential) => nextLook(credential, options.margin(credential))),
      Effect.catchAll((error) =>
        Effect.as(
          Effect.logWarning(`keeping ${tenant} fresh: ${error.message}`, { error: error._tag }),
          waitAfter(error)
        )
      ),
      Effect.flatMap((delay) => raceFirst(Effect.sleep(delay), Queue.take(changed)))
    )
    yield* Effect.forkScoped(Effect.forever(round))
  })
