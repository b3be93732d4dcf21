/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Credential } from "./Credential.js"
import type { ProviderRejected, ProviderUnavailable } from "./Errors.js"
import type { TenantId } from "./TenantId.js"
import type { TokenGrant } from "./TokenGrant.js"

/**
 * What came of sending a refresh token, told apart by what it says about the token sent.
 *
 * @since 0.1.0
 * @category models
 */
export type RedeemAnswer = Data.TaggedEnum<{
  /** A 2xx with an access token. */
  Granted: { readonly grant: TokenGrant }
  /** The grant is dead: `invalid_grant` or the vendor's own code, whatever the HTTP status. */
  Terminal: {
    readonly reason: "InvalidGrant" | "LoginExpired" | "RegistrationExpired"
    readonly detail: string
  }
  /** Answered, not consumed, and neither a login nor patience helps. */
  Rejected: { readonly reason: "InvalidClient" | "Entitlement" | "Protocol" | "Resource"; readonly detail: string }
  /** 429: answered, not consumed. `retryAfter` in milliseconds. */
  RateLimited: { readonly retryAfter: Option.Option<number>; readonly detail: string }
  /** 5xx: answered, and it proves nothing about the token. `retryAfter` in milliseconds. */
  ServerError: { readonly retryAfter: Option.Option<number>; readonly detail: string }
  /**
   * Not a byte of the request left: no connection was established. `remedy`: what a person can do about it, where that
   * is known.
   */
  NeverSent: { readonly detail: string; readonly remedy?: string | undefined }
  /**
   * Sent, and no whole answer was read, or a 2xx that holds no access token: the token may be consumed. `answered`: it was
   * read to its end, so that sending again at once would be answered the same.
   */
  Unknown: { readonly detail: string; readonly answered?: boolean }
}>

/**
 * Constructors of {@link RedeemAnswer}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const RedeemAnswer = Data.taggedEnum<RedeemAnswer>()

/**
 * What came of asking the server to revoke tokens (RFC 7009).
 *
 * @since 0.1.0
 * @category models
 */
export type RevokeAnswer = Data.TaggedEnum<{
  Revoked: {}
  /** The server offers no revocation. */
  Unsupported: {}
  Failed: { readonly detail: string }
}>

/**
 * Constructors of {@link RevokeAnswer}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const RevokeAnswer = Data.taggedEnum<RevokeAnswer>()

/**
 * What the transaction must know of a vendor before it asks it anything.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefreshTraits {
  /** Whether a refresh may retire the refresh token. Only then are intent and room needed. */
  readonly rotates: boolean
  /** The vendor's own margin, in milliseconds, in place of the policy's. */
  readonly margin: Option.Option<number>
  /** Names the logins whose rotations revoke each other. */
  readonly rotationGroup: Option.Option<string>
}

/**
 * A redemption of which everything is ready that can fail without spending the token.
 *
 * @since 0.1.0
 * @category models
 */
export interface PreparedRedemption {
  /**
   * Sends the refresh token once, on a fresh connection, following no redirect, and reads the whole answer. Never
   * fails; interruption aborts the request. Run again for the one retry of an unknown outcome.
   *
   * It bounds itself, since only the reader of the connection can tell what has come when time is up: at `limit` it judges
   * what has arrived by then, and answers a moment later at the most.
   */
  readonly redeem: (limit: Duration.Duration) => Effect.Effect<RedeemAnswer>
}

/**
 * The authorization server's token endpoint.
 *
 * @since 0.1.0
 * @category services
 */
export class TokenEndpoint extends Context.Tag("@lockstep/core/TokenEndpoint")<TokenEndpoint, {
  readonly traits: (tenant: TenantId, credential: Credential) => RefreshTraits

  /** Finds endpoint, client and secret; sends nothing that the server could count as a use of the token. */
  readonly prepare: (
    tenant: TenantId,
    credential: Credential
  ) => Effect.Effect<PreparedRedemption, ProviderUnavailable | ProviderRejected>

  /** Asks the server to revoke both tokens. Never fails; the caller bounds it. */
  readonly revoke: (tenant: TenantId, credential: Credential) => Effect.Effect<RevokeAnswer>
}>() {}
