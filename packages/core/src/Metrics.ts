/**
 * What happened to logins, counted and timed on Effect's own metrics. `docs/observability.md` documents each name, and a
 * test compares the two.
 *
 * A tenant is a label, and everything else that is one has few values: tags, reasons, and the hosts of issuers. No label names
 * an account, a whole address, a scope or a fingerprint, and none can hold a secret.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { RefreshError } from "./Errors.js"
import type { JournalRecord } from "./RefreshJournal.js"
import type { TenantId } from "./TenantId.js"
import type { RedeemAnswer } from "./TokenEndpoint.js"

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

/** From what a memory or a local file takes to the longest legal hold of a lock. */
const BOUNDARIES = MetricBoundaries.fromIterable(
  [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000, 30_000, 60_000]
)

/** Milliseconds. */
const timer = (name: string, description: string) =>
  Metric.tagged(Metric.histogram(name, BOUNDARIES, description), "unit", "ms")

/**
 * Attempts to redeem a refresh token, by how they were answered.
 *
 * @since 0.1.0
 * @category metrics
 */
export const redemptions = counter("lockstep.redemptions", "attempts to redeem a refresh token, by their answer")

/**
 * How long the token endpoint took, by how it answered. Milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const redeemDuration = timer("lockstep.redeem.duration", "time from sending a refresh token to its answer")

/**
 * Credentials that were taken over from the store instead of redeeming.
 *
 * @since 0.1.0
 * @category metrics
 */
export const adoptions = counter(
  "lockstep.adoptions",
  "credentials that another process obtained and this one took over"
)

/**
 * Answers that an earlier attempt had kept and not stored, and that are stored now.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recoveries = counter("lockstep.recoveries", "kept answers that were stored at last")

/**
 * Refresh tokens that were sent once more after an unknown outcome.
 *
 * @since 0.1.0
 * @category metrics
 */
export const retries = counter("lockstep.retries", "refresh tokens that were sent again after an unknown outcome")

/**
 * Refresh tokens that were sent without a whole answer being read.
 *
 * @since 0.1.0
 * @category metrics
 */
export const unknownOutcomes = counter("lockstep.unknown_outcomes", "refresh tokens that may be consumed or not")

/**
 * Times during which no process redeems, by their source: the server, a backoff, or a rest.
 *
 * @since 0.1.0
 * @category metrics
 */
export const cooldowns = counter("lockstep.cooldowns", "cooldowns that were journaled for all processes")

/**
 * Calls that ended in an error, by its tag and reason.
 *
 * @since 0.1.0
 * @category metrics
 */
export const failures = counter("lockstep.failures", "calls for a token that ended in an error")

/**
 * Calls that were answered with the present token because no newer one came, by the error that kept it away.
 *
 * @since 0.1.0
 * @category metrics
 */
export const staleServed = counter(
  "lockstep.stale_served",
  "calls answered with a valid token that could not be renewed"
)

/**
 * Access tokens that a resource server rejected, as told by callers of `recover`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const rejections = counter("lockstep.rejections", "access tokens that a resource server was said to reject")

/**
 * How long locks were waited for, by how the wait ended. Milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const lockWait = timer("lockstep.lock.wait", "time spent waiting for a lock, or for what made it needless")

/**
 * Flights of this process that are under way.
 *
 * @since 0.1.0
 * @category metrics
 */
export const flights = Metric.gauge("lockstep.flights", { description: "refreshes under way in this process" })

/**
 * Logins and imports, by how they ended.
 *
 * @since 0.1.0
 * @category metrics
 */
export const logins = counter("lockstep.logins", "logins and imports, by how they ended")

/**
 * Logouts, by how they ended.
 *
 * @since 0.1.0
 * @category metrics
 */
export const logouts = counter("lockstep.logouts", "logouts, by how they ended")

/**
 * Tenants that were kept in one store and are looked for in another, which was chosen automatically.
 *
 * @since 0.1.0
 * @category metrics
 */
export const drift = counter("lockstep.drift", "tenants for which another store was chosen than before")

type Labels = Readonly<Record<string, string>>

/** As `Metric.update` of the tagged metric does, in one step. */
const record = <Type, Out>(
  metric: Metric.Metric<Type, number, Out>,
  value: number,
  labels: Labels
): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    const own = Object.entries(labels).map(([key, label]) => MetricLabel.make(key, label))
    metric.unsafeUpdate(value, [...fiber.getFiberRef(FiberRef.currentMetricLabels), ...own])
    return Effect.void
  })

const ofError = (error: RefreshError): Labels => ({
  error: error._tag,
  reason: "reason" in error ? error.reason : "none"
})

/** Errors of locks and stores by their tag; what a caller brought along may be called anything, and is not told apart. */
const NAMED: ReadonlySet<unknown> = new Set([
  "CredentialExists",
  "CredentialStoreError",
  "LockTimeout",
  "LockUnavailable"
])

const nameOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && NAMED.has(error._tag) ? String(error._tag) : "Failed"

const endOf = (cause: Cause.Cause<unknown>): string =>
  Cause.isInterruptedOnly(cause)
    ? "Interrupted"
    : Option.match(Cause.failureOption(cause), { onNone: () => "Failed", onSome: nameOf })

/**
 * Notes how a redemption was answered, after so many milliseconds.
 *
 * @since 0.1.0
 * @category recording
 */
export const redeemed = (tenant: TenantId, outcome: RedeemAnswer["_tag"], took: number): Effect.Effect<void> =>
  Effect.zipRight(
    record(redemptions, 1, { tenant, outcome }),
    record(redeemDuration, took, { tenant, outcome })
  )

/**
 * Notes that a credential was adopted: on a read without the lock, while waiting for it, under it, or because it was
 * stored while this process redeemed.
 *
 * @since 0.1.0
 * @category recording
 */
export const adopted = (
  tenant: TenantId,
  outcome: "Read" | "Waiting" | "Locked" | "Replaced"
): Effect.Effect<void> => record(adoptions, 1, { tenant, outcome })

/**
 * Notes that a kept answer was stored.
 *
 * @since 0.1.0
 * @category recording
 */
export const recovered = (tenant: TenantId): Effect.Effect<void> => record(recoveries, 1, { tenant })

/**
 * Notes that a refresh token of unknown outcome is sent again.
 *
 * @since 0.1.0
 * @category recording
 */
export const retried = (tenant: TenantId): Effect.Effect<void> => record(retries, 1, { tenant })

/**
 * Notes that no whole answer was read.
 *
 * @since 0.1.0
 * @category recording
 */
export const unknown = (tenant: TenantId): Effect.Effect<void> => record(unknownOutcomes, 1, { tenant })

/**
 * Notes the cooldown or rest that one journal has and the one before it had not.
 *
 * @since 0.1.0
 * @category recording
 */
export const cooled = (tenant: TenantId, before: JournalRecord, after: JournalRecord): Effect.Effect<void> => {
  const source = after.rest !== before.rest && Option.isSome(after.rest)
    ? "rest"
    : after.cooldown !== before.cooldown
    ? Option.getOrUndefined(Option.map(after.cooldown, (cooldown) => cooldown.source))
    : undefined
  return source === undefined ? Effect.void : record(cooldowns, 1, { tenant, source })
}

/**
 * Notes that a call ended in an error.
 *
 * @since 0.1.0
 * @category recording
 */
export const failed = (tenant: TenantId, error: RefreshError): Effect.Effect<void> =>
  record(failures, 1, { tenant, ...ofError(error) })

/**
 * Notes that a call was answered with the present token in spite of an error.
 *
 * @since 0.1.0
 * @category recording
 */
export const servedStale = (tenant: TenantId, error: RefreshError): Effect.Effect<void> =>
  record(staleServed, 1, { tenant, ...ofError(error) })

/**
 * Notes that a resource server rejected an access token.
 *
 * @since 0.1.0
 * @category recording
 */
export const rejected = (tenant: TenantId): Effect.Effect<void> => record(rejections, 1, { tenant })

/**
 * Times a wait for a lock on the monotonic clock.
 *
 * @since 0.1.0
 * @category recording
 */
export const timeLockWait =
  (lock: { readonly _tag: string; readonly tenant?: string }) =>
  <A extends { readonly _tag: string }, E, R>(wait: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const began = clock.unsafeCurrentTimeNanos()
        return Effect.onExit(wait, (exit) =>
          record(lockWait, Number(clock.unsafeCurrentTimeNanos() - began) / 1_000_000, {
            lock: lock._tag,
            ...(lock.tenant === undefined ? {} : { tenant: lock.tenant }),
            outcome: Exit.match(exit, {
              onSuccess: ({ _tag }) =>
                _tag,
              onFailure: endOf
            })
          }))
      })
    )

/**
 * Notes that a login or an import is in the store.
 *
 * @since 0.1.0
 * @category recording
 */
export const loggedIn = (tenant: TenantId): Effect.Effect<void> => record(logins, 1, { tenant, outcome: "Stored" })

/**
 * Notes that a login or an import failed.
 *
 * @since 0.1.0
 * @category recording
 */
export const loginFailed = (tenant: TenantId, error: unknown): Effect.Effect<void> =>
  record(logins, 1, { tenant, outcome: nameOf(error) })

/**
 * Notes that a login was taken out of the store.
 *
 * @since 0.1.0
 * @category recording
 */
export const loggedOut = (tenant: TenantId): Effect.Effect<void> => record(logouts, 1, { tenant, outcome: "Removed" })

/**
 * Notes that a logout failed.
 *
 * @since 0.1.0
 * @category recording
 */
export const logoutFailed = (tenant: TenantId, error: unknown): Effect.Effect<void> =>
  record(logouts, 1, { tenant, outcome: nameOf(error) })

/**
 * Notes that another store was chosen for a tenant than before.
 *
 * @since 0.1.0
 * @category recording
 */
export const drifted = (tenant: TenantId, from: string, to: string): Effect.Effect<void> =>
  record(drift, 1, { tenant, from, to })

/**
 * Notes that so many more flights are under way; fewer, where it is negative.
 *
 * @since 0.1.0
 * @category recording
 */
export const unsafeFlights = (change: 1 | -1): void => flights.unsafeModify(change, [])

/**
 * Tenants that a sweep claimed, by what became of them.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sweepClaims = counter("lockstep.sweep.claims", "tenants that a sweep claimed, by what became of them")

/**
 * How long the tenant that is due first has been due. Milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sweepLagMetric = Metric.tagged(
  Metric.gauge("lockstep.sweep.lag", { description: "time for which the first of the due tenants has been due" }),
  "unit",
  "ms"
)

/**
 * Refreshes of a sweep that run.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sweepRunningMetric = Metric.gauge("lockstep.sweep.running", {
  description: "refreshes of this sweep that run"
})

/**
 * Refreshes that an issuer may be asked for at this moment.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sweepAllowanceMetric = Metric.gauge("lockstep.sweep.allowance", {
  description: "refreshes that an issuer may be asked for now"
})

/**
 * The breaker of an issuer: 0 closed, 1 probing, 2 open.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sweepBreakerMetric = Metric.gauge("lockstep.sweep.breaker", {
  description: "breaker of an issuer: 0 closed, 1 probing, 2 open"
})

/**
 * Notes what became of so many tenants that a sweep claimed.
 *
 * @since 0.1.0
 * @category recording
 */
export const swept = (
  outcome: "Waiting" | "Postponed" | "Refreshed" | "Failed",
  count: number
): Effect.Effect<void> => count > 0 ? record(sweepClaims, count, { outcome }) : Effect.void

/**
 * Notes how long the first of the due tenants has been due.
 *
 * @since 0.1.0
 * @category recording
 */
export const sweepLag = (millis: number): Effect.Effect<void> => Metric.set(sweepLagMetric, millis)

/**
 * Notes how many refreshes of a sweep run.
 *
 * @since 0.1.0
 * @category recording
 */
export const sweepRunning = (count: number): Effect.Effect<void> => Metric.set(sweepRunningMetric, count)

/**
 * Notes what is left of an issuer's budget.
 *
 * @since 0.1.0
 * @category recording
 */
export const sweepAllowance = (issuer: string, left: number): Effect.Effect<void> =>
  record(sweepAllowanceMetric, left, { issuer })

/**
 * Notes the state of an issuer's breaker.
 *
 * @since 0.1.0
 * @category recording
 */
export const sweepBreaker = (issuer: string, breaker: "closed" | "probing" | "open"): Effect.Effect<void> =>
  record(sweepBreakerMetric, ["closed", "probing", "open"].indexOf(breaker), { issuer })

/**
 * How long the oldest answer in the spool of this host has waited for the database. Milliseconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const spoolAgeMetric = Metric.tagged(
  Metric.gauge("lockstep.spool.age", { description: "time for which the oldest answer waits for the database" }),
  "unit",
  "ms"
)

/**
 * Sessions with the database that this process lost.
 *
 * @since 0.1.0
 * @category metrics
 */
export const sessionsLost = counter("lockstep.sessions.lost", "sessions with the database that were lost")

/**
 * Notes how long the oldest answer has waited.
 *
 * @since 0.1.0
 * @category recording
 */
export const spoolAge = (millis: number): Effect.Effect<void> => Metric.set(spoolAgeMetric, millis)

/**
 * Notes that a session was lost.
 *
 * @since 0.1.0
 * @category recording
 */
export const unsafeSessionLost = (): void => sessionsLost.unsafeUpdate(1, [])
