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
import * as LogFields from "../LogFields.js"
import type { TenantId } from "../TenantId.js"
import { raceFirst } from "./race.js"

/** How often a credential without a known expiry is looked at. */
const UNKNOWN_EXPIRY = Duration.minutes(1)
/** Between two rounds lies at least so much, whatever a server issues: what is never fresh must not become a storm. */
const SHORTEST = 10_000
/** A machine sleeps, and its timers with it; and no timer of JavaScript is longer than 24 days. */
const LONGEST = 3_600_000

interface Options {
  readonly obtain: Effect.Effect<Credential.Credential, RefreshError>
  /** What is stored, without a refresh; none where there is nothing or nothing can be read. */
  readonly stored: Effect.Effect<Option.Option<Credential.Credential>>
  readonly margin: (credential: Credential.Credential) => number
  /** Milliseconds; ignored for tokens that do not live so long, since no refresh can meet it. */
  readonly minTtl: number
  readonly changes: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}

/**
 * When to look again: inside the margin, a random bit further each time, so that of many processes one wakes first and
 * the others find its work done.
 */
const nextLook = (credential: Credential.Credential, options: Options): Effect.Effect<Duration.Duration> =>
  Option.match(credential.expiresAt, {
    onNone: () => Effect.succeed(UNKNOWN_EXPIRY),
    onSome: (expiresAt) =>
      Effect.map(Effect.all([Clock.currentTimeMillis, Random.nextRange(0.75, 1)]), ([now, jitter]) => {
        const lived = (expiresAt - Option.getOrElse(credential.obtainedAt, () => expiresAt)) * 1_000
        const margin = Freshness.effectiveMargin(Credential.lifetime(credential), options.margin(credential)) * jitter
        const spare = options.minTtl < lived ? Math.max(margin, options.minTtl) : margin
        return Duration.millis(Math.min(LONGEST, Math.max(SHORTEST, Math.ceil(expiresAt * 1_000 - spare - now))))
      })
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

const isSame = (a: Option.Option<Credential.Credential>, b: Option.Option<Credential.Credential>): boolean =>
  Option.isNone(a) || Option.isNone(b)
    ? Option.isNone(a) && Option.isNone(b)
    : Credential.isSameSecret(a.value.accessToken, b.value.accessToken) &&
      Credential.isSameSecret(a.value.refreshToken, b.value.refreshToken)

/**
 * Refreshes for as long as the scope lives, before the token runs out. What another process stores meanwhile is waited
 * for in its turn, and is no reason to refresh: the stores of many tenants change all the time, and by our own hand too.
 */
export const keepFresh = (tenant: TenantId, options: Options): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const changed = yield* options.changes

    const otherThan = (
      known: Option.Option<Credential.Credential>
    ): Effect.Effect<Option.Option<Credential.Credential>> =>
      Effect.flatMap(
        Effect.zipRight(Queue.take(changed), options.stored),
        (found) => isSame(known, found) ? otherThan(known) : Effect.succeed(found)
      )

    const untilDue = (credential: Credential.Credential): Effect.Effect<void> =>
      Effect.flatMap(nextLook(credential, options), (delay) =>
        Effect.flatMap(
          raceFirst(Effect.as(Effect.sleep(delay), Option.none()), otherThan(Option.some(credential))),
          Option.match({ onNone: () => Effect.void, onSome: untilDue })
        ))

    const round = Effect.matchEffect(options.obtain, {
      onSuccess: untilDue,
      onFailure: (error) =>
        Effect.annotateLogs(
          Effect.logWarning(`keeping ${tenant} fresh: ${error.message}`),
          LogFields.ofError(tenant, error)
        ).pipe(
          Effect.zipRight(options.stored),
          Effect.flatMap((known) => raceFirst(Effect.sleep(waitAfter(error)), Effect.asVoid(otherThan(known))))
        )
    })
    yield* Effect.forkScoped(Effect.forever(round))
  })
