/**
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AccessToken from "./AccessToken.js"
import * as Credential from "./Credential.js"
import { CredentialLock } from "./CredentialLock.js"
import { CredentialStore } from "./CredentialStore.js"
import {
  type CredentialStoreError,
  ProviderRejected,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError
} from "./Errors.js"
import * as Host from "./Host.js"
import { detached } from "./internal/detached.js"
import * as Flight from "./internal/flight.js"
import * as Flights from "./internal/flights.js"
import * as KeepFresh from "./internal/keepFresh.js"
import * as Ledger from "./internal/ledger.js"
import * as Memory from "./internal/memory.js"
import { raceFirst } from "./internal/race.js"
import type { Landed } from "./internal/transaction.js"
import * as Wanted from "./internal/wanted.js"
import * as LogFields from "./LogFields.js"
import * as Metrics from "./Metrics.js"
import { type CapturedAnswer, RefreshJournal } from "./RefreshJournal.js"
import { RefreshPolicy } from "./RefreshPolicy.js"
import type { TenantId } from "./TenantId.js"
import { TokenEndpoint } from "./TokenEndpoint.js"

/**
 * What a caller wants of an access token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Demand {
  /** Validity wished for, in place of the vendor's and the policy's; at most a quarter of the lifetime is enforced. */
  readonly margin?: Duration.DurationInput
  /** Validity required, whatever the lifetime is. */
  readonly minTtl?: Duration.DurationInput
}

/**
 * What happened to a tenant's credential, for agents that keep something of their own per login.
 *
 * @since 0.1.0
 * @category models
 */
export type RefreshEvent = Data.TaggedEnum<{
  /** This process redeemed and stored a new credential. */
  Redeemed: { readonly tenant: TenantId; readonly generation: number }
  /** This process took over what another one stored. */
  Adopted: { readonly tenant: TenantId; readonly generation: number }
  /** The stored login belongs to another account than before. */
  AccountChanged: { readonly tenant: TenantId; readonly from: string; readonly to: string }
  /** The login is gone. */
  Removed: { readonly tenant: TenantId }
  /** The login must be renewed by a person. */
  LoginRequired: { readonly tenant: TenantId; readonly reason: string }
}>

/**
 * Constructors of {@link RefreshEvent}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const RefreshEvent = Data.taggedEnum<RefreshEvent>()

/**
 * What a forced refresh changed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refreshed {
  readonly token: AccessToken.AccessToken
  /** `redeemed`: by this process. `adopted`: another process did it while this one waited. */
  readonly by: "redeemed" | "adopted"
  readonly rotated: boolean
  readonly previousGeneration: number
}

/**
 * Hands out access tokens, and refreshes each tenant at most once among all processes that share the store.
 *
 * @since 0.1.0
 * @category services
 */
export class RefreshCoordinator extends Context.Tag("@lockstep/core/RefreshCoordinator")<RefreshCoordinator, {
  /** Answers with a usable access token, refreshing when there is none. */
  readonly accessToken: (tenant: TenantId, demand?: Demand) => Effect.Effect<AccessToken.AccessToken, RefreshError>

  /** Reads what is stored and never refreshes; fails like `accessToken` where that would have to redeem. */
  readonly peek: (tenant: TenantId, demand?: Demand) => Effect.Effect<AccessToken.AccessToken, RefreshError>

  /** Answers with another access token than the one that a resource server rejected. */
  readonly recover: (
    tenant: TenantId,
    rejected: Redacted.Redacted,
    demand?: Demand
  ) => Effect.Effect<AccessToken.AccessToken, RefreshError>

  /**
   * Redeems now, on a person's behalf: passes our own backoff (not a server's Retry-After), and with `acceptRisk` may
   * spend one more attempt on a refresh token of unknown outcome.
   */
  readonly refresh: (
    tenant: TenantId,
    options?: { readonly acceptRisk?: boolean }
  ) => Effect.Effect<Refreshed, RefreshError>

  /** Refreshes in the background, with jitter, before the token runs out, for as long as the scope lives. */
  readonly keepFresh: (tenant: TenantId, demand?: Demand) => Effect.Effect<void, never, Scope.Scope>

  /** What happens to credentials from now on, as far as this process sees it. */
  readonly changes: Stream.Stream<RefreshEvent>
}>() {}

const UNKNOWN = "?"
const accountOf = (credential: Credential.Credential): string =>
  Option.getOrElse(Credential.accountId(credential), () => UNKNOWN)

/** Whether the store holds another token than this process knew. */
const isReplaced = (known: Memory.Remembered | undefined, stored: Credential.Stored): boolean =>
  known !== undefined && !Credential.isSameSecret(known.stored.credential.accessToken, stored.credential.accessToken)

/** The record is not there any more, or belongs to somebody else: nothing that was read before may be served. */
const isGone = (error: RefreshError): boolean =>
  (error._tag === "ReauthorizationRequired" && error.reason === "Removed") ||
  (error._tag === "CredentialStoreError" && error.reason === "Superseded")

/** A caller who joined a flight may have wanted more than the one who started it: such a failure is not his. */
const mayTryOwnTerms = (wanted: Wanted.Wanted, error: RefreshError): boolean =>
  (wanted.cause !== "rejected" && error._tag === "ProviderRejected" && error.reason === "FreshTokenRejected") ||
  (wanted.cause !== "expiry" && error._tag === "ProviderUnavailable" && error.reason === "Cooldown") ||
  (wanted.acceptRisk && error._tag === "ReauthorizationRequired" && error.reason === "OutcomeUnknown")

/**
 * Makes a coordinator. Closing the scope ends it: a flight that has spent nothing is interrupted at once, one that has
 * is waited for within its bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  RefreshCoordinator["Type"],
  never,
  CredentialStore | CredentialLock | TokenEndpoint | RefreshJournal | RefreshPolicy | Host.Host | Scope.Scope
> = Effect.gen(function*() {
  const store = yield* CredentialStore
  const lock = yield* CredentialLock
  const endpoint = yield* TokenEndpoint
  const journal = yield* RefreshJournal
  const policy = yield* RefreshPolicy
  const host = yield* Host.Host
  const events = yield* PubSub.unbounded<RefreshEvent>()

  const memory = Memory.make()
  /** Accounts that a flight found replaced: the next adoption of that tenant says so once. */
  const replaced = new Map<TenantId, string>()
  const unpersisted = new Map<TenantId, CapturedAnswer>()
  // What the service runs has the service's context, and neither the first caller's nor its span.
  const owner = Flights.makeOwner(yield* Effect.runtime<never>())

  const { fly } = Flight.make({
    store,
    lock,
    endpoint,
    journal,
    policy,
    host,
    unpersisted,
    afterwards: (effect) => Effect.sync(() => owner.linger(effect))
  })

  const marginOf = (tenant: TenantId, wanted: Wanted.Wanted, credential: Credential.Credential): number =>
    Wanted.margin(wanted, endpoint.traits(tenant, credential), policy)

  /** Takes a record into memory and tells what is new about it. */
  const remember = (tenant: TenantId, stored: Credential.Stored, options: {
    readonly epoch: number
    readonly by: Landed["by"]
  }): Effect.Effect<void> =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const known = memory.get(tenant)
        memory.set(tenant, stored, options.epoch, clock)
        const { generation } = stored.credential
        const from = replaced.get(tenant) ?? (known === undefined ? undefined : accountOf(known.stored.credential))
        const to = accountOf(stored.credential)
        replaced.delete(tenant)
        if (from !== undefined && from !== UNKNOWN && to !== UNKNOWN && from !== to) {
          return Effect.zipRight(
            Effect.annotateLogs(Effect.logWarning(`${tenant} is logged in as another account now`), {
              tenant,
              generation,
              from,
              to
            }),
            PubSub.publish(events, RefreshEvent.AccountChanged({ tenant, from, to }))
          )
        }
        if (options.by === "redeemed") return PubSub.publish(events, RefreshEvent.Redeemed({ tenant, generation }))
        return known === undefined || known.stored.version === stored.version
          ? Effect.void
          : PubSub.publish(events, RefreshEvent.Adopted({ tenant, generation }))
      })
    )

  const forget = (tenant: TenantId): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (memory.get(tenant) === undefined) return Effect.void
      memory.delete(tenant)
      return PubSub.publish(events, RefreshEvent.Removed({ tenant }))
    })

  const flights = Flights.make(owner, fly, {
    policy,
    onLanded: (tenant, { by, stored }) => remember(tenant, stored, { epoch: Memory.STALE, by }),
    onFailed: (tenant, error) =>
      Effect.suspend(() => {
        if (error._tag === "ReauthorizationRequired") {
          return error.reason === "Removed"
            ? forget(tenant)
            : PubSub.publish(events, RefreshEvent.LoginRequired({ tenant, reason: error.reason }))
        }
        const known = memory.get(tenant)
        if (isGone(error) && known !== undefined) {
          replaced.set(tenant, accountOf(known.stored.credential))
          memory.delete(tenant)
        }
        return Effect.void
      })
  })

  /** Reads the record without any lock. An unreadable store still leaves what this process knows. */
  const read = (
    tenant: TenantId,
    wanted: Wanted.Wanted
  ): Effect.Effect<Credential.Stored, CredentialStoreError | ReauthorizationRequired> =>
    Effect.suspend(() => {
      const epoch = store.epoch()
      const known = memory.get(tenant)
      return Effect.matchEffect(store.get(tenant), {
        onSuccess: Option.match({
          onNone: () =>
            Effect.zipRight(
              forget(tenant),
              new ReauthorizationRequired({ tenant, reason: known === undefined ? "NotFound" : "Removed" })
            ),
          onSome: (stored) =>
            remember(tenant, stored, { epoch, by: "adopted" }).pipe(
              Effect.zipRight(isReplaced(memory.get(tenant), stored) ? Metrics.adopted(tenant, "Read") : Effect.void),
              Effect.as(stored)
            )
        }),
        onFailure: (error) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) =>
            known !== undefined && Wanted.mayServe(wanted, known.stored.credential, now)
              ? Effect.as(
                Effect.annotateLogs(Effect.logWarning(error.message), LogFields.ofError(tenant, error)),
                known.stored
              )
              : error)
      })
    })

  /** The record that a call began with, where it may still be served if no better comes. */
  const servable = (
    tenant: TenantId,
    wanted: Wanted.Wanted,
    hint: Credential.Stored
  ): Effect.Effect<Option.Option<Landed>> =>
    Effect.clockWith((clock) =>
      Effect.sync(() => {
        const known = memory.get(tenant)
        const ended = known?.stored.version === hint.version && Memory.hasEnded(known, clock, wanted.minTtl)
        return !ended && Wanted.mayServe(wanted, hint.credential, clock.unsafeCurrentTimeMillis())
          ? Option.some<Landed>({ stored: hint, by: "adopted", rotated: false })
          : Option.none()
      })
    )

  /** What may be served once some time has gone by: nothing that was removed or replaced by another account since. */
  const stillServable = (
    tenant: TenantId,
    wanted: Wanted.Wanted,
    hint: Credential.Stored
  ): Effect.Effect<Option.Option<Landed>, ReauthorizationRequired> =>
    Effect.flatMap(
      Effect.orElseSucceed(store.get(tenant), () => Option.some(hint)),
      Option.match({
        onNone: () => Effect.zipRight(forget(tenant), new ReauthorizationRequired({ tenant, reason: "Removed" })),
        onSome: (present) =>
          Credential.isOtherAccount(hint.credential, present.credential)
            ? Effect.succeedNone
            : servable(tenant, wanted, present)
      })
    )

  /** Flies at most twice: once on anybody's terms, and once more on the caller's own where those were not met. */
  const obtain = (
    tenant: TenantId,
    first: Wanted.Wanted,
    options: { readonly serveStale: boolean }
  ): Effect.Effect<Landed, RefreshError> =>
    Effect.gen(function*() {
      const hint = yield* read(tenant, first)
      const clock = yield* Effect.clock
      const margin = marginOf(tenant, first, hint.credential)
      const byWall = Wanted.isMetBy(first, hint.credential, { now: clock.unsafeCurrentTimeMillis(), margin })
      const known = memory.get(tenant)
      const byBoth = byWall && (known === undefined || Memory.meets(known, first, margin, clock))
      const isMet = byBoth && first.cause !== "person"
      if (isMet && !unpersisted.has(tenant)) return { stored: hint, by: "adopted", rotated: false } satisfies Landed

      // The stored token is no answer to a person, who asks for a newer one; nor when it ran out by the monotonic clock
      // and the wall clock does not know it; nor when this process holds a newer one, which must be stored first: then
      // that is all there is to do.
      const wanted: Wanted.Wanted = Option.isNone(first.notToken) && (first.cause === "person" || byWall)
        ? { ...first, notToken: hint.credential.accessToken, cause: isMet ? "drain" : first.cause }
        : first
      const stale = options.serveStale ? stillServable(tenant, first, hint) : Effect.succeedNone

      const flyOnce = Effect.gen(function*() {
        const maySettle = options.serveStale && Option.isSome(yield* servable(tenant, first, hint))
        const { flight, own } = flights.join(tenant, { wanted, hint: hint.credential })
        const landed = Effect.map(flights.await(tenant, flight), (one) => ({ landed: one, isStale: false }))
        // Patience may last longer than the token does: what it ends with is decided when it ends.
        const settled = Effect.delay(stale, policy.staleWait).pipe(
          Effect.flatMap(Option.match({
            onNone: () => Effect.never,
            onSome: (one) => Effect.succeed({ landed: one, isStale: true })
          }))
        )
        return { own, exit: yield* Effect.exit(maySettle ? raceFirst(landed, settled) : landed) }
      })
      // What was stored after the call began answers every demand, except that for another token than the rejected one.
      const answers = ({ stored }: Landed): boolean => Wanted.acceptsNew(first, stored.credential)

      const joined = yield* flyOnce
      const onOwnTerms = !joined.own && Exit.match(joined.exit, {
        onSuccess: ({ isStale, landed }) => !isStale && (landed.stored.version === hint.version || !answers(landed)),
        onFailure: (cause) => cause._tag === "Fail" && mayTryOwnTerms(wanted, cause.error)
      })
      const { exit } = onOwnTerms ? yield* flyOnce : joined

      if (Exit.isSuccess(exit)) {
        const { isStale, landed } = exit.value
        if (isStale || answers(landed)) return landed
        return yield* new ProviderRejected({
          tenant,
          reason: "FreshTokenRejected",
          detail: "the authorization server issued the same access token again"
        })
      }
      if (exit.cause._tag !== "Fail") return yield* Effect.failCause(exit.cause)
      const { error } = exit.cause
      const rest = isGone(error) ? Option.none() : yield* stale
      if (Option.isNone(rest)) return yield* error
      yield* Metrics.servedStale(tenant, error)
      yield* Effect.annotateLogs(
        Effect.logWarning(`${error.message}; the present access token is still valid and is served`),
        LogFields.ofError(tenant, error)
      )
      return rest.value
    }).pipe(Effect.tapError((error) => Metrics.failed(tenant, error)))

  const toToken = (
    tenant: TenantId,
    credential: Credential.Credential
  ): Effect.Effect<AccessToken.AccessToken, ReauthorizationRequired> =>
    Option.match(AccessToken.fromCredential(tenant, credential), {
      onNone: () => new ReauthorizationRequired({ tenant, reason: "NoRefreshToken" }),
      onSome: (token) => Effect.succeed(token)
    })

  /** The answer from memory: no system call while the store is known to be quiet. */
  const fromMemory = (tenant: TenantId, wanted: Wanted.Wanted, clock: Clock.Clock): Memory.Remembered | undefined => {
    const known = memory.get(tenant)
    return known !== undefined && known.epoch === store.epoch() && !unpersisted.has(tenant) &&
        Memory.meets(known, wanted, marginOf(tenant, wanted, known.stored.credential), clock)
      ? known
      : undefined
  }

  const serve = (tenant: TenantId, wanted: Wanted.Wanted): Effect.Effect<AccessToken.AccessToken, RefreshError> =>
    Effect.clockWith((clock) => {
      const known = fromMemory(tenant, wanted, clock)
      return known === undefined
        ? Effect.flatMap(
          obtain(tenant, wanted, { serveStale: true }),
          ({ stored }) => toToken(tenant, stored.credential)
        )
        : toToken(tenant, known.stored.credential)
    })

  const accessToken = (tenant: TenantId, demand?: Demand) => serve(tenant, Wanted.fromDemand(demand))

  const recover = (tenant: TenantId, rejected: Redacted.Redacted, demand?: Demand) =>
    Effect.zipRight(
      Metrics.rejected(tenant),
      serve(tenant, { ...Wanted.fromDemand(demand), notToken: Option.some(rejected), cause: "rejected" })
    )

  const refresh = (tenant: TenantId, options: { readonly acceptRisk?: boolean } = {}) =>
    Effect.gen(function*() {
      const before = yield* store.get(tenant)
      const landed = yield* obtain(
        tenant,
        { ...Wanted.fromDemand(), cause: "person", acceptRisk: options.acceptRisk === true },
        { serveStale: false }
      )
      return {
        token: yield* toToken(tenant, landed.stored.credential),
        by: landed.by,
        rotated: landed.rotated,
        previousGeneration: Option.match(before, { onNone: () => 0, onSome: (one) => one.credential.generation })
      } satisfies Refreshed
    })

  const peek = (tenant: TenantId, demand?: Demand) =>
    Effect.gen(function*() {
      const wanted = Wanted.fromDemand(demand)
      const { credential } = yield* read(tenant, wanted)
      if (Wanted.mayServe(wanted, credential, yield* Clock.currentTimeMillis)) return yield* toToken(tenant, credential)
      const presented = Credential.presented(credential)
      if (Option.isNone(presented)) {
        return yield* new ReauthorizationRequired({ tenant, reason: "NoRefreshToken" })
      }
      const record = yield* journal.read(tenant)
      const mark = Ledger.marked(record, Host.fingerprint(host, presented.value))
      if (Option.isSome(mark)) return yield* new ReauthorizationRequired({ tenant, reason: mark.value.reason })
      return yield* new ProviderUnavailable({ tenant, reason: "Offline", retryAfter: 0 })
    })

  const keepFresh = (tenant: TenantId, demand?: Demand) => {
    const wanted = Wanted.fromDemand(demand)
    return KeepFresh.keepFresh(tenant, {
      obtain: Effect.map(obtain(tenant, wanted, { serveStale: false }), ({ stored }) => stored.credential),
      stored: Effect.option(Effect.map(read(tenant, wanted), ({ credential }) => credential)),
      margin: (credential) => marginOf(tenant, wanted, credential),
      minTtl: wanted.minTtl,
      changes: store.changes
    })
  }

  /** An answer that no file would take is brought home at last, or lost with this process. */
  const bringHome = (tenant: TenantId): Effect.Effect<unknown> =>
    Effect.flatMap(
      store.get(tenant),
      Option.match({
        onNone: () => Effect.void,
        onSome: ({ credential }) =>
          fly({
            tenant,
            wanted: { ...Wanted.fromDemand(), notToken: credential.accessToken, cause: "drain" },
            hint: credential,
            sent: Deferred.unsafeMake(FiberId.none),
            publish: () => Effect.void
          })
      })
    ).pipe(
      Effect.catchAll((error) => Effect.annotateLogs(Effect.logError(error.message), LogFields.ofError(tenant, error)))
    )

  // In a finalizer nothing can be interrupted, and so no wait be timed out: what is brought home is waited for outside.
  const bringAllHome = Effect.suspend(() =>
    Effect.forEach([...unpersisted.keys()], (tenant) => detached(bringHome(tenant)), { discard: true })
  )

  yield* Effect.addFinalizer(() => owner.close.pipe(Effect.zipRight(bringAllHome), Effect.zipRight(owner.close)))

  return RefreshCoordinator.of({
    accessToken,
    peek,
    recover,
    refresh,
    keepFresh,
    changes: Stream.fromPubSub(events)
  })
})

/**
 * Coordinates the processes that share the store, lock and journal it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  RefreshCoordinator,
  never,
  CredentialStore | CredentialLock | TokenEndpoint | RefreshJournal | RefreshPolicy | Host.Host
> = Layer.scoped(RefreshCoordinator, make)
