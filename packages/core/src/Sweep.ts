/**
 * Keeps the logins of a store fresh, on any number of hosts and without a leader.
 *
 * Each round claims what is due, looks at it, asks the budgets of the issuers, and leaves the rest to the coordinator: a
 * refresh of the sweep is a call for a token with more validity than the present one has. So the transaction decides, and
 * what another process refreshed meanwhile (a caller, a `keepFresh`, another sweep) is adopted and not redeemed again.
 *
 * A sweep that dies costs its tenants a minute. One that finds its store slow, or its hands full, claims less.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as Credential from "./Credential.js"
import { CredentialStore } from "./CredentialStore.js"
import * as DueTimes from "./DueTimes.js"
import type { CredentialStoreError, RefreshError } from "./Errors.js"
import { raceFirst } from "./internal/race.js"
import * as Planning from "./internal/sweep/plan.js"
import * as Round from "./internal/sweep/round.js"
import * as IssuerBudget from "./IssuerBudget.js"
import * as LogFields from "./LogFields.js"
import * as Metrics from "./Metrics.js"
import { RefreshCoordinator } from "./RefreshCoordinator.js"
import type { TenantId } from "./TenantId.js"

/**
 * A tenant about which a policy is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candidate {
  readonly tenant: TenantId
  readonly credential: Credential.Credential
  /** When a token of it was last asked for, to the hour, and what time it is. Milliseconds since the epoch. */
  readonly usedAt: Option.Option<number>
  readonly now: number
}

/**
 * What a sweep may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What each tenant is worth. Where not said: fresh what was used within a day, alive all others. */
  readonly keep?: (candidate: Candidate) => DueTimes.Keep
  /** After how long without a use the server ends a refresh token, where that is known. Used four times as often. */
  readonly idleExpiry?: (credential: Credential.Credential) => Option.Option<Duration.DurationInput>
  /** How many refreshes run at once. 64. */
  readonly slots?: number
  /** How many tenants are claimed at once. 20. */
  readonly batch?: number
  /** How often the due times are asked at least, and at most where nothing is due. 1 s and 30 s. */
  readonly poll?: Duration.DurationInput
  readonly idle?: Duration.DurationInput
  /** A claim that takes longer than this finds a busy store, and the next one claims half as much. 500 ms. */
  readonly slowAfter?: Duration.DurationInput
}

/**
 * What a sweep is at.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  /** Milliseconds for which the tenant that is due first has been due; zero where none is. */
  readonly lag: number
  /** Refreshes that run. */
  readonly running: number
  /** Tenants claimed since the beginning, and what became of them. */
  readonly claimed: number
  readonly refreshed: number
  readonly failed: number
  /** Issuers that are not asked now: their budget is spent, or they refused. */
  readonly waitingFor: ReadonlyArray<string>
}

/**
 * A sweep that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sweep {
  readonly state: Effect.Effect<State>
}

/**
 * Keeps fresh what was used within a time, and alive everything else.
 *
 * @since 0.1.0
 * @category policies
 */
export const usedWithin = (time: Duration.DurationInput) => ({ now, usedAt }: Candidate): DueTimes.Keep =>
  Option.exists(usedAt, (at) => now - at <= Duration.toMillis(time)) ? "fresh" : "alive"

/**
 * Keeps every tenant fresh.
 *
 * @since 0.1.0
 * @category policies
 */
export const everything = (): DueTimes.Keep => "fresh"

/** What was given to `noting`, by what came of it. */
const plain = new WeakMap<RefreshCoordinator["Type"], RefreshCoordinator["Type"]>()

/** How often new tenants are looked for, in milliseconds. */
const ENROL = 60_000
/** Between two rounds that find nothing to do lies at least so much, in milliseconds. */
const SHORTEST = 50
const RETRY_FIRST = 1_000
const RETRY_LAST = 60_000

interface Refreshing extends Round.Looked {
  readonly minTtl: number
  readonly noted: DueTimes.Noted
}

/**
 * Sweeps for as long as the scope lives. What it began when the scope ends is finished by the coordinator.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  options: Options = {}
): Effect.Effect<
  Sweep,
  never,
  CredentialStore | DueTimes.DueTimes | IssuerBudget.IssuerBudget | RefreshCoordinator | Scope.Scope
> =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const due = yield* DueTimes.DueTimes
    const budget = yield* IssuerBudget.IssuerBudget
    const given = yield* RefreshCoordinator
    const coordinator = plain.get(given) ?? given
    const scope = yield* Effect.scope
    const { idleExpiry = () => Option.none(), keep = usedWithin("1 day"), slots = 64 } = options
    const poll = Duration.toMillis(options.poll ?? "1 second")
    const idle = Math.max(poll, Duration.toMillis(options.idle ?? "30 seconds"))
    const pace = Round.makePace(options.batch ?? 20, Duration.toMillis(options.slowAfter ?? "500 millis"))

    const results = Round.makeResults()
    /** Issuers that are not claimed for, until when. */
    const waitingFor = new Map<string, number>()
    const open = new Set<string>()
    /** Tells the sweep that hands are free again, or that all is done. */
    const freed = yield* Queue.sliding<void>(1)
    let running = 0
    let enrolledAt = -Infinity
    let lag = 0
    const counts = { claimed: 0, refreshed: 0, failed: 0 }

    const plan = (claim: DueTimes.Claim, stored: Credential.Stored, now: number): Effect.Effect<Planning.Plan> =>
      Effect.map(Random.next, (chance) =>
        Planning.of(stored, claim, {
          keep: keep({ tenant: claim.tenant, credential: stored.credential, usedAt: claim.usedAt, now }),
          now,
          chance,
          idle: Option.map(idleExpiry(stored.credential), Duration.toMillis)
        }))

    const settle = (of: Round.Looked, dueAt: number, noted: Option.Option<DueTimes.Noted>): void =>
      results.settled({ tenant: of.claim.tenant, ticket: of.claim.ticket, issuer: of.issuer, dueAt, noted })

    /** Looks at a tenant: settled at once, or to be refreshed. One that cannot be read is looked at later. */
    const look = (claim: DueTimes.Claim, now: number): Effect.Effect<Option.Option<Refreshing>> =>
      store.get(claim.tenant).pipe(
        Effect.flatMap(Option.match({
          onNone: () => Effect.as(due.forget(claim.tenant), Option.none()),
          onSome: (stored) =>
            Effect.map(plan(claim, stored, now), (planned) => {
              const looked = { claim, issuer: Round.issuerOf(stored.credential) }
              if (planned._tag === "Refresh") return Option.some({ ...looked, ...planned })
              settle(looked, planned.dueAt, Option.some(planned.noted))
              return Option.none()
            })
        })),
        Effect.catchAll((error) =>
          Effect.annotateLogs(Effect.logDebug(error.message), LogFields.ofError(claim.tenant, error)).pipe(
            Effect.as(Option.none())
          )
        ),
        // The policy is another program's: one tenant that it fails for keeps no other from being looked at.
        Effect.catchAllDefect(() =>
          Effect.as(
            Effect.logError(`the policy of the sweep fails for ${claim.tenant}, which is left alone`),
            Option.none()
          )
        )
      )

    const succeeded = (one: Refreshing): Effect.Effect<void, CredentialStoreError> =>
      Effect.gen(function*() {
        counts.refreshed += 1
        results.answered(one.issuer, "succeeded", 0)
        const stored = yield* store.get(one.claim.tenant)
        if (Option.isNone(stored)) return
        const now = yield* due.now
        const next = yield* plan({ ...one.claim, noted: Option.none() }, stored.value, now)
        const dueAt = next._tag === "Wait" ? next.dueAt : now + poll
        settle(one, dueAt, Option.some(next.noted))
      })

    const failed = (one: Refreshing, error: RefreshError): Effect.Effect<void> =>
      Effect.gen(function*() {
        counts.failed += 1
        const failure = Planning.afterFailure(error, yield* Random.next)
        if (failure.issuer !== "silent") results.answered(one.issuer, failure.issuer, failure.retryAfter)
        settle(one, (yield* due.now) + failure.after, Option.some({ ...one.noted, isOver: failure.isOver }))
        const log = failure.isOver ? Effect.logWarning : Effect.logDebug
        yield* Effect.annotateLogs(
          log(`sweeping ${one.claim.tenant}: ${error.message}`),
          LogFields.ofError(one.claim.tenant, error)
        )
      })

    const refresh = (one: Refreshing): Effect.Effect<void> =>
      Effect.matchEffect(coordinator.accessToken(one.claim.tenant, { minTtl: one.minTtl }), {
        onSuccess: () => succeeded(one),
        onFailure: (error) => failed(one, error)
      }).pipe(
        // The claim runs out by itself, and a defect of one tenant ends no other.
        Effect.catchAllCause((cause) =>
          Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError(`${one.claim.tenant} could not be swept`)
        ),
        Effect.ensuring(Effect.sync(() => {
          if (running === slots || running === 1) Queue.unsafeOffer(freed, undefined)
          running -= 1
        }))
      )

    const launch = (one: Refreshing) =>
      Effect.suspend(() => {
        running += 1
        return Effect.forkIn(refresh(one), scope)
      })

    /** Refreshes what the budget of an issuer allows. The rest stays due, and its issuer is left alone until then. */
    const spend = (issuer: string, wanted: ReadonlyArray<Refreshing>): Effect.Effect<void, CredentialStoreError> =>
      Effect.gen(function*() {
        const allowance = yield* budget.take(issuer, wanted.length)
        yield* Metrics.sweepAllowance(Round.nameOf(issuer), allowance.left)
        yield* Effect.forEach(wanted.slice(0, allowance.granted), launch, { discard: true })
        if (allowance.granted === wanted.length) return
        waitingFor.set(issuer, allowance.askAgainAt)
        for (const one of wanted.slice(allowance.granted)) settle(one, one.claim.dueAt, Option.some(one.noted))
        yield* Metrics.swept("Postponed", wanted.length - allowance.granted)
      })

    const reported = (issuer: string, report: IssuerBudget.Report): Effect.Effect<void, CredentialStoreError> =>
      Effect.gen(function*() {
        const breaker = yield* budget.report(issuer, report)
        yield* Metrics.sweepBreaker(Round.nameOf(issuer), breaker)
        yield* Metrics.swept("Refreshed", report.succeeded)
        yield* Metrics.swept("Failed", report.failed + report.refused)
        if (breaker === "open" && !open.has(issuer)) {
          open.add(issuer)
          yield* Effect.logWarning(`${Round.nameOf(issuer)} refuses refreshes: the sweep leaves it alone for a while`)
        }
        if (breaker === "closed") open.delete(issuer)
      })

    /** What came of the refreshes since the last round, written at one time. */
    const flush = Effect.gen(function*() {
      for (const [issuer, report] of results.takeAnswers()) yield* reported(issuer, report)
      const settlements = results.takeSettlements()
      if (settlements.length > 0) yield* due.settle(settlements)
    })

    let told = { lag: -1, running: -1 }
    const tell = Effect.suspend(() => {
      if (told.lag === lag && told.running === running) return Effect.void
      told = { lag, running }
      return Effect.zipRight(Metrics.sweepLag(lag), Metrics.sweepRunning(running))
    })

    /** One round; answers how long to wait for the next. */
    const round: Effect.Effect<number, CredentialStoreError> = Effect.gen(function*() {
      yield* flush
      const now = yield* due.now
      if (now - enrolledAt >= ENROL) {
        yield* due.enrol
        enrolledAt = now
      }
      for (const [issuer, until] of waitingFor) {
        if (until <= now) waitingFor.delete(issuer)
      }
      const limit = Math.min(pace.batch(), slots - running)
      if (limit <= 0) return idle
      const began = yield* Clock.currentTimeMillis
      const { claims, nextAt } = yield* due.claim({ limit, except: [...waitingFor.keys()] })
      const pause = pace.took((yield* Clock.currentTimeMillis) - began)
      counts.claimed += claims.length
      // While an issuer is left alone, what waits for it is not among what was looked at.
      lag = Math.max(
        waitingFor.size > 0 ? lag : 0,
        ...claims.map(({ dueAt }) => now - dueAt),
        Option.match(nextAt, { onNone: () => 0, onSome: (at) => now - at })
      )
      const wanted = yield* Effect.forEach(claims, (claim) => look(claim, now))
      for (const [issuer, group] of Round.byIssuer(wanted.flatMap(Option.toArray))) yield* spend(issuer, group)
      yield* Metrics.swept("Waiting", claims.length - wanted.filter(Option.isSome).length)
      yield* flush
      yield* tell
      if (claims.length === limit) return pause
      const jitter = yield* Random.nextRange(0.5, 1)
      const polled = jitter * Math.min(idle, Math.max(poll, Option.getOrElse(nextAt, () => Infinity) - now))
      // A bucket that is full while nothing takes from it is budget that is lost: its issuer is asked again in time.
      return Math.max(pause, Math.min(polled, Math.max(SHORTEST, Math.min(...waitingFor.values()) - now)))
    })

    let retryIn = RETRY_FIRST
    const turn = Effect.matchEffect(round, {
      onSuccess: (wait) =>
        Effect.gen(function*() {
          retryIn = RETRY_FIRST
          if (wait === 0) return yield* Effect.yieldNow()
          const pause = Effect.sleep(Duration.millis(Math.ceil(wait)))
          // While refreshes run, what came of the last one is not left lying until the next turn.
          yield* running > 0 ? raceFirst(pause, Queue.take(freed)) : pause
        }),
      onFailure: (error) =>
        Effect.gen(function*() {
          const pause = retryIn * (yield* Random.nextRange(0.5, 1))
          if (retryIn === RETRY_FIRST) yield* Effect.logWarning(`the sweep waits for its store: ${error.message}`)
          retryIn = Math.min(RETRY_LAST, retryIn * 2)
          yield* Effect.sleep(Duration.millis(Math.ceil(pause)))
        })
    })

    yield* Effect.addFinalizer(() => Effect.ignore(flush))
    yield* Effect.forkScoped(Effect.forever(turn))

    return {
      state: Effect.sync(() => ({ lag, running, ...counts, waitingFor: [...waitingFor.keys()] }))
    }
  })

/**
 * Sweeps for as long as the layer lives.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options?: Options
): Layer.Layer<
  never,
  never,
  CredentialStore | DueTimes.DueTimes | IssuerBudget.IssuerBudget | RefreshCoordinator
> => Layer.scopedDiscard(start(options))

/**
 * A coordinator that notes which tenants tokens are asked for. A sweep that is given it notes nothing: what it refreshes is no
 * use.
 *
 * @since 0.1.0
 * @category combinators
 */
export const noting = (
  coordinator: RefreshCoordinator["Type"],
  due: Pick<DueTimes.DueTimes["Type"], "used">
): RefreshCoordinator["Type"] => {
  const noted: RefreshCoordinator["Type"] = {
    ...coordinator,
    accessToken: (tenant, demand) => Effect.zipLeft(coordinator.accessToken(tenant, demand), due.used(tenant)),
    recover: (tenant, rejected, demand) =>
      Effect.zipLeft(coordinator.recover(tenant, rejected, demand), due.used(tenant)),
    keepFresh: (tenant, demand) => Effect.zipLeft(coordinator.keepFresh(tenant, demand), due.used(tenant))
  }
  plain.set(noted, coordinator)
  return noted
}
