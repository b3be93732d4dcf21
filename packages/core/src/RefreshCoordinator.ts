/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { AccessToken } from "./AccessToken.js"
import type { RefreshError } from "./Errors.js"
import type { TenantId } from "./TenantId.js"

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
 * What a forced refresh changed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refreshed {
  readonly token: AccessToken
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
  readonly accessToken: (tenant: TenantId, demand?: Demand) => Effect.Effect<AccessToken, RefreshError>

  /** Reads what is stored and never refreshes; fails like `accessToken` where that would have to redeem. */
  readonly peek: (tenant: TenantId, demand?: Demand) => Effect.Effect<AccessToken, RefreshError>

  /** Answers with another access token than the one that a resource server rejected. */
  readonly recover: (
    tenant: TenantId,
    rejected: Redacted.Redacted,
    demand?: Demand
  ) => Effect.Effect<AccessToken, RefreshError>

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
