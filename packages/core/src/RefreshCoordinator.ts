/**
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as AccessToken from "./AccessToken.js"
import * as Credential from "./Credential.js"
import { CredentialStore } from "./CredentialStore.js"
import { Custody } from "./Custody.js"
import * as Demands from "./Demand.js"
import {
  type CredentialStoreError,
  ProviderRejected,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError
} from "./Errors.js"
import * as Fingerprint from "./Fingerprint.js"
import * as Host from "./Host.js"
import { detached } from "./internal/detached.js"
import * as KeepFresh from "./internal/keepFresh.js"
import * as Memory from "./internal/memory.js"
import { raceFirst } from "./internal/race.js"
import type { Obtained, Unpersisted } from "./internal/refresh/services.js"
import * as Sharing from "./internal/refresh/sharing.js"
import * as LogFields from "./LogFields.js"
import * as Metrics from "./Metrics.js"
import * as Refresh from "./Refresh.js"
import { RefreshPolicy } from "./RefreshPolicy.js"
import type { TenantId } from "./TenantId.js"
import { TokenEndpoint } from "./TokenEndpoint.js"
import * as UnderWay from "./UnderWay.js"
import * as Verdict from "./Verdict.js"

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
  /** Answers with a usable access token, refreshing where the stored one is not usable. */
  readonly accessToken: (tenant: TenantId, demand?: Demand) => Effect.Effect<AccessToken.AccessToken, RefreshError>

  /**
   * Reads what is stored and never refreshes. Fails like `accessToken` where that would fail, and with
   * `ProviderUnavailable(Offline)` where it would redeem.
   */
  readonly peek: (
    tenant: TenantId,
    demand?: Demand,
    rejected?: Redacted.Redacted
  ) => Effect.Effect<AccessToken.AccessToken, RefreshError>

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

  /** Stores an answer that was kept, where one belongs to what is stored, and redeems nothing. */
  readonly storeKept: (tenant: TenantId) => Effect.Effect<void, RefreshError>

  /** Refreshes in the background, with jitter, before the token runs out, for as long as the scope lives. */
  readonly keepFresh: (tenant: TenantId, demand?: Demand) => Effect.Effect<void, never, Scope.Scope>

  /** What happens to credentials from now on, as far as this process sees it. */
  readonly changes: Stream.Stream<RefreshEvent>

  /** The refreshes of this process that hold their tenant. */
  readonly underWay: UnderWay.UnderWay
}>() {}

const UNKNOWN = "?"
const accountOf = (credential: Credential.Credential): string =>
  Option.getOrElse(Credential.accountId(credential), () => UNKNOWN)

/** Whether the store holds another token than this process knew. */
const isReplaced = (known: Memory.Remembered | undefined, stored: Credential.Stored): boolean =>
  known !== undefined && !Credential.isSameSecret(known.stored.credential.accessToken, stored.credential.accessToken)

/** The record is not there any more, or belongs to another account: nothing that was read before may be served. */
const isGone = (error: RefreshError): boolean =>
  (error._tag === "ReauthorizationRequired" && error.reason === "Removed") ||
  (error._tag === "CredentialStoreError" && error.reason === "Superseded")

/** A caller that joined a refresh may demand more than the one that started it: such a failure is not its own. */
const mayTryOnOwnDemand = (demand: Demands.Demand, error: RefreshError): boolean =>
  (demand.purpose !== "rejected" && error._tag === "ProviderRejected" && error.reason === "FreshTokenRejected") ||
  (demand.purpose !== "expiry" && error._tag === "ProviderUnavailable" && error.reason === "Cooldown") ||
  (demand.acceptRisk && error._tag === "ReauthorizationRequired" && error.reason === "OutcomeUnknown")

/**
 * Makes a coordinator. Closing the scope ends it: a refresh that has spent nothing is interrupted at once, one that has
 * is waited for within its bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  RefreshCoordinator["Type"],
  never,
  CredentialStore | Custody | TokenEndpoint | RefreshPolicy | Host.Host | Scope.Scope
> = Effect.gen(function*() {
  const store = yield* CredentialStore
  const custody = yield* Custody
  const endpoint = yield* TokenEndpoint
  const policy = yield* RefreshPolicy
  const host = yield* Host.Host
  const events = yield* PubSub.unbounded<RefreshEvent>()

  const memory = Memory.make()
  /** Accounts that a refresh found replaced: the next adoption of that tenant says so once. */
  const replaced = new Map<TenantId, string>()
  const unpersisted = new Map<TenantId, Unpersisted>()
  const underWay = UnderWay.make()
  // What the service runs has the service's context, and neither the first caller's nor its span.
  const owner = Sharing.makeOwner(yield* Effect.runtime<never>())

  const refreshOnce = Refresh.make({
    store,
    custody,
    endpoint,
    policy,
    host,
    unpersisted,
    underWay,
    closing: owner.closing,
    afterwards: (effect) => Effect.sync(() => owner.linger(effect))
  })

  const marginOf = (tenant: TenantId, demand: Demands.Demand, credential: Credential.Credential): number =>
    Demands.margin(demand, endpoint.traits(tenant, credential), policy)

  /** Takes a record into memory and tells what is new about it. */
  const remember = (tenant: TenantId, stored: Credential.Stored, options: {
    readonly epoch: number
    readonly by: Obtained["by"]
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

  const refreshes = Sharing.make(owner, refreshOnce, {
    policy,
    onObtained: (tenant, { by, stored }) => remember(tenant, stored, { epoch: Memory.STALE, by }),
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
    demand: Demands.Demand
  ): Effect.Effect<Credential.Stored, CredentialStoreError | ReauthorizationRequired> =>
    Effect.suspend(() => {
      const epoch = store.epoch(tenant)
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
          Effect.flatMap(Effect.clock, (clock) =>
            known !== undefined &&
              Demands.maySettleFor(demand, known.stored.credential, clock.unsafeCurrentTimeMillis())
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
    demand: Demands.Demand,
    hint: Credential.Stored
  ): Effect.Effect<Option.Option<Obtained>> =>
    Effect.clockWith((clock) =>
      Effect.sync(() => {
        const known = memory.get(tenant)
        const ended = known?.stored.version === hint.version && Memory.hasEnded(known, clock, demand.minTtl)
        return !ended && Demands.maySettleFor(demand, hint.credential, clock.unsafeCurrentTimeMillis())
          ? Option.some<Obtained>({ stored: hint, by: "adopted", rotated: false })
          : Option.none()
      })
    )

  /** What may be served once some time has gone by: nothing that was removed or replaced by another account since. */
  const stillServable = (
    tenant: TenantId,
    demand: Demands.Demand,
    hint: Credential.Stored
  ): Effect.Effect<Option.Option<Obtained>, ReauthorizationRequired> =>
    Effect.flatMap(
      Effect.orElseSucceed(store.get(tenant), () => Option.some(hint)),
      Option.match({
        onNone: () => Effect.zipRight(forget(tenant), new ReauthorizationRequired({ tenant, reason: "Removed" })),
        onSome: (present) =>
          Credential.isOtherAccount(hint.credential, present.credential)
            ? Effect.succeedNone
            : servable(tenant, demand, present)
      })
    )

  /** Stores an answer that only this process holds; `None` of what comes of it asks to begin again. */
  const retryOf = (tenant: TenantId): Option.Option<Effect.Effect<Option.Option<Obtained>, RefreshError>> =>
    Option.flatMap(Option.fromNullable(unpersisted.get(tenant)), ({ retry }) => retry)

  /** Refreshes at most twice: once with the other callers of the process, and once more on the caller's own demand. */
  const obtain = (
    tenant: TenantId,
    demand: Demands.Demand,
    options: { readonly serveStale: boolean; readonly mayBeginAgain?: boolean }
  ): Effect.Effect<Obtained, RefreshError> =>
    Effect.gen(function*() {
      const hint = yield* read(tenant, demand)
      const clock = yield* Effect.clock
      const margin = marginOf(tenant, demand, hint.credential)
      const byWall = Demands.isMetBy(demand, hint.credential, { now: clock.unsafeCurrentTimeMillis(), margin })
      const known = memory.get(tenant)
      const byBoth = byWall && (known === undefined || Memory.meets(known, demand, margin, clock))
      const isMet = byBoth && demand.purpose !== "person"
      if (isMet && !unpersisted.has(tenant)) return { stored: hint, by: "adopted", rotated: false } satisfies Obtained
      // A newer answer that this process holds is stored first, and what is stored then is read again.
      const storesOnly = isMet && options.mayBeginAgain !== false

      // The stored token is no answer to a person, who asks for a newer one; nor when it ran out by the monotonic clock
      // and the wall clock does not know it; nor when this process holds a newer one.
      const shared: Demands.Demand = Option.isNone(demand.otherThan) && (demand.purpose === "person" || byWall)
        ? { ...demand, otherThan: hint.credential.accessToken, purpose: storesOnly ? "storage" : demand.purpose }
        : demand
      const stale = options.serveStale ? stillServable(tenant, demand, hint) : Effect.succeedNone
      const again = Effect.suspend(() => obtain(tenant, demand, { ...options, mayBeginAgain: false }))

      const refreshShared = Effect.gen(function*() {
        const maySettle = options.serveStale && Option.isSome(yield* servable(tenant, demand, hint))
        const { own, result } = Option.match(retryOf(tenant), {
          onNone: () => refreshes.join(tenant, { demand: shared, hint: hint.credential }),
          onSome: (retry) => ({
            own: true,
            result: Effect.flatMap(retry, Option.match({ onNone: () => again, onSome: Effect.succeed }))
          })
        })
        const obtained = Effect.map(result, (one) => ({ obtained: one, isStale: false }))
        // Patience may last longer than the token does: what it ends with is decided when it ends.
        const settled = Effect.delay(stale, policy.staleWait).pipe(
          Effect.flatMap(Option.match({
            onNone: () => Effect.never,
            onSome: (one) => Effect.succeed({ obtained: one, isStale: true })
          }))
        )
        return { own, exit: yield* Effect.exit(maySettle ? raceFirst(obtained, settled) : obtained) }
      })
      // What was stored after the call began answers every demand, except that for another token than the rejected one.
      const answers = ({ stored }: Obtained): boolean => Demands.acceptsNew(demand, stored.credential)

      const first = yield* refreshShared
      const onOwnDemand = !first.own && Exit.match(first.exit, {
        onSuccess: ({ isStale, obtained }) =>
          !isStale && (obtained.stored.version === hint.version || !answers(obtained)),
        onFailure: (cause) => cause._tag === "Fail" && mayTryOnOwnDemand(shared, cause.error)
      })
      const { exit } = onOwnDemand ? yield* refreshShared : first

      if (Exit.isSuccess(exit)) {
        const { isStale, obtained } = exit.value
        if (isStale) return obtained
        if (storesOnly) return yield* again
        if (answers(obtained)) return obtained
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
    })

  const counted = <A>(tenant: TenantId, call: Effect.Effect<A, RefreshError>): Effect.Effect<A, RefreshError> =>
    Effect.tapError(call, (error) => Metrics.failed(tenant, error))

  const toToken = (
    tenant: TenantId,
    credential: Credential.Credential
  ): Effect.Effect<AccessToken.AccessToken, ReauthorizationRequired> =>
    Option.match(AccessToken.fromCredential(tenant, credential), {
      onNone: () => new ReauthorizationRequired({ tenant, reason: "NoRefreshToken" }),
      onSome: (token) => Effect.succeed(token)
    })

  /** The answer from memory: no system call while the store is known to be quiet. */
  const fromMemory = (
    tenant: TenantId,
    demand: Demands.Demand,
    clock: Clock.Clock
  ): Memory.Remembered | undefined => {
    const known = memory.get(tenant)
    return known !== undefined && known.epoch === store.epoch(tenant) && !unpersisted.has(tenant) &&
        Memory.meets(known, demand, marginOf(tenant, demand, known.stored.credential), clock)
      ? known
      : undefined
  }

  const serve = (tenant: TenantId, demand: Demands.Demand): Effect.Effect<AccessToken.AccessToken, RefreshError> =>
    Effect.clockWith((clock) => {
      const known = fromMemory(tenant, demand, clock)
      return known === undefined
        ? Effect.flatMap(
          counted(tenant, obtain(tenant, demand, { serveStale: true })),
          ({ stored }) => toToken(tenant, stored.credential)
        )
        : toToken(tenant, known.stored.credential)
    })

  const accessToken = (tenant: TenantId, demand?: Demand) => serve(tenant, Demands.make(demand))

  const recover = (tenant: TenantId, rejected: Redacted.Redacted, demand?: Demand) =>
    Effect.zipRight(
      Metrics.rejected(tenant),
      serve(tenant, { ...Demands.make(demand), otherThan: Option.some(rejected), purpose: "rejected" })
    )

  const refresh = (tenant: TenantId, options: { readonly acceptRisk?: boolean } = {}) =>
    Effect.gen(function*() {
      const before = yield* store.get(tenant)
      const obtained = yield* counted(
        tenant,
        obtain(
          tenant,
          { ...Demands.make(), purpose: "person", acceptRisk: options.acceptRisk === true },
          { serveStale: false }
        )
      )
      return {
        token: yield* toToken(tenant, obtained.stored.credential),
        by: obtained.by,
        rotated: obtained.rotated,
        previousGeneration: Option.match(before, { onNone: () => 0, onSome: (one) => one.credential.generation })
      } satisfies Refreshed
    })

  const peek = (tenant: TenantId, asked?: Demand, rejected?: Redacted.Redacted) =>
    Effect.gen(function*() {
      const demand: Demands.Demand = { ...Demands.make(asked), otherThan: Option.fromNullable(rejected) }
      const { credential } = yield* read(tenant, demand)
      const clock = yield* Effect.clock
      if (Demands.maySettleFor(demand, credential, clock.unsafeCurrentTimeMillis())) {
        return yield* toToken(tenant, credential)
      }
      const evidence = yield* custody.read(tenant)
      const { next } = Verdict.of({
        evidence,
        demand,
        policy,
        fingerprint: (one) => Fingerprint.ofCredential(host, one),
        traits: (one) => endpoint.traits(tenant, one)
      })
      switch (next._tag) {
        case "Serve":
          return yield* toToken(tenant, next.stored.credential)
        case "Store":
        case "Redeem":
          return yield* new ProviderUnavailable({ tenant, reason: "Offline", retryAfter: 0 })
        default:
          return yield* Verdict.toError(next, { tenant, location: custody.location, now: evidence.now })
      }
    })

  const keepFresh = (tenant: TenantId, asked?: Demand) => {
    const demand = Demands.make(asked)
    return KeepFresh.keepFresh(tenant, {
      obtain: Effect.map(
        counted(tenant, obtain(tenant, demand, { serveStale: false })),
        ({ stored }) => stored.credential
      ),
      stored: Effect.option(Effect.map(read(tenant, demand), ({ credential }) => credential)),
      margin: (credential) => marginOf(tenant, demand, credential),
      minTtl: demand.minTtl,
      changes: store.changes(tenant)
    })
  }

  const storeKept = (tenant: TenantId): Effect.Effect<void, RefreshError> =>
    Effect.flatMap(
      store.get(tenant),
      Option.match({
        onNone: () => Effect.void,
        onSome: ({ credential }) =>
          refreshOnce({
            tenant,
            demand: { ...Demands.make(), otherThan: credential.accessToken, purpose: "storage" },
            hint: credential,
            onSend: Effect.void,
            publish: () => Effect.void
          })
      })
    )

  /** Stores at last an answer that no file would take; what fails now is lost with this process. */
  const storeAtClose = (tenant: TenantId): Effect.Effect<void> =>
    Effect.catchAll(
      storeKept(tenant),
      (error) => Effect.annotateLogs(Effect.logError(error.message), LogFields.ofError(tenant, error))
    )

  // In a finalizer nothing can be interrupted, and so no wait be timed out: what is stored is waited for outside.
  const storeAllAtClose = Effect.suspend(() =>
    Effect.forEach([...unpersisted.keys()], (tenant) => detached(storeAtClose(tenant)), { discard: true })
  )

  yield* Effect.addFinalizer(() => owner.close.pipe(Effect.zipRight(storeAllAtClose), Effect.zipRight(owner.close)))

  return RefreshCoordinator.of({
    accessToken,
    peek,
    recover,
    refresh,
    storeKept,
    keepFresh,
    changes: Stream.fromPubSub(events),
    underWay
  })
})

/**
 * Coordinates the processes that share the store and the custody that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  RefreshCoordinator,
  never,
  CredentialStore | Custody | TokenEndpoint | RefreshPolicy | Host.Host
> = Layer.scoped(RefreshCoordinator, make)
