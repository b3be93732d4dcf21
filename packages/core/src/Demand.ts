/**
 * What a caller demands of an access token, and whether a credential meets it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Credential from "./Credential.js"
import * as Freshness from "./Freshness.js"
import type { RefreshPolicy } from "./RefreshPolicy.js"
import type { RefreshTraits } from "./TokenEndpoint.js"

/**
 * What is demanded. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Demand {
  /** Validity wished for; the vendor's or the policy's where none is named. */
  readonly margin: Option.Option<number>
  /** Validity required, whatever the lifetime is. */
  readonly minTtl: number
  /** Any access token but this one: a resource server rejected it, or a newer one is asked for. */
  readonly otherThan: Option.Option<Redacted.Redacted>
  /**
   * Why a redemption may be made. Redemptions for a `rejected` token are counted; a `person` passes our own backoff;
   * `storage` redeems nothing and only stores an answer that was kept.
   */
  readonly purpose: "expiry" | "rejected" | "person" | "storage"
  /** A person accepts that one more attempt after an unknown outcome may end other logins of this client. */
  readonly acceptRisk: boolean
}

/**
 * Makes the demand of a caller that wants a usable token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly margin?: Duration.DurationInput
  readonly minTtl?: Duration.DurationInput
} = {}): Demand => ({
  margin: Option.map(Option.fromNullable(options.margin), Duration.toMillis),
  minTtl: options.minTtl === undefined ? 0 : Duration.toMillis(options.minTtl),
  otherThan: Option.none(),
  purpose: "expiry",
  acceptRisk: false
})

/**
 * The margin in force before the token's lifetime limits it: the demand's, else the vendor's, else the policy's.
 * Milliseconds.
 *
 * @since 0.1.0
 * @category getters
 */
export const margin = (
  demand: Demand,
  traits: Pick<RefreshTraits, "margin">,
  policy: Pick<RefreshPolicy["Type"], "margin">
): number =>
  Option.getOrElse(
    Option.orElse(demand.margin, () => traits.margin),
    () => Duration.toMillis(policy.margin)
  )

const hasOtherToken = (demand: Demand, credential: Credential.Credential): boolean =>
  Option.exists(credential.accessToken, (token) => Redacted.value(token) !== "") &&
  (Option.isNone(demand.otherThan) || !Credential.isSameSecret(demand.otherThan, credential.accessToken))

/**
 * Whether the credential meets the demand. `now` and `margin` are milliseconds.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isMetBy = (demand: Demand, credential: Credential.Credential, at: {
  readonly now: number
  readonly margin: number
}): boolean =>
  hasOtherToken(demand, credential) &&
  Freshness.isFresh(Credential.lifetime(credential), { now: at.now, margin: at.margin, minTtl: demand.minTtl })

/**
 * Whether the credential may be served where nothing better came: unexpired, valid for `minTtl`, not the rejected one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const maySettleFor = (demand: Demand, credential: Credential.Credential, now: number): boolean =>
  hasOtherToken(demand, credential) &&
  Freshness.isUnexpired(Credential.lifetime(credential), now, demand.minTtl)

/**
 * Whether a credential that was redeemed after the call began will do. It is served even inside the margin, so that
 * tokens that live shorter than every demand end the loop; only the rejected one is never the answer.
 *
 * @since 0.1.0
 * @category predicates
 */
export const acceptsNew = (demand: Demand, credential: Credential.Credential): boolean =>
  hasOtherToken(demand, credential)
