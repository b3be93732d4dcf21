/**
 * What one caller wants of a credential, and whether a credential has it.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Credential from "../Credential.js"
import * as Freshness from "../Freshness.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { RefreshTraits } from "../TokenEndpoint.js"

export interface Wanted {
  /** Milliseconds; the vendor's or the policy's where none is named. */
  readonly margin: Option.Option<number>
  /** Milliseconds. */
  readonly minTtl: number
  /** Any access token but this one: it was rejected, or a newer one is asked for. */
  readonly notToken: Option.Option<Redacted.Redacted>
  /**
   * Why a redemption may be made: the brake counts `rejected`, a `person` passes our own backoff,
   * and a `drain` only stores what was answered.
   */
  readonly cause: "expiry" | "rejected" | "person" | "drain"
  /** A person knows that one more attempt after an unknown outcome may end other logins of this client. */
  readonly acceptRisk: boolean
}

export const fromDemand = (demand: {
  readonly margin?: Duration.DurationInput
  readonly minTtl?: Duration.DurationInput
} = {}): Wanted => ({
  margin: Option.map(Option.fromNullable(demand.margin), Duration.toMillis),
  minTtl: demand.minTtl === undefined ? 0 : Duration.toMillis(demand.minTtl),
  notToken: Option.none(),
  cause: "expiry",
  acceptRisk: false
})

export const margin = (
  wanted: Wanted,
  traits: RefreshTraits,
  policy: RefreshPolicy["Type"]
): number =>
  Option.getOrElse(
    Option.orElse(wanted.margin, () => traits.margin),
    () => Duration.toMillis(policy.margin)
  )

const hasOtherToken = (wanted: Wanted, credential: Credential.Credential): boolean =>
  Option.exists(credential.accessToken, (token) => Redacted.value(token) !== "") &&
  (Option.isNone(wanted.notToken) || !Credential.isSameSecret(wanted.notToken, credential.accessToken))

/** Whether the credential is what was wanted. */
export const isMetBy = (wanted: Wanted, credential: Credential.Credential, at: {
  readonly now: number
  readonly margin: number
}): boolean =>
  hasOtherToken(wanted, credential) &&
  Freshness.isFresh(Credential.lifetime(credential), { now: at.now, margin: at.margin, minTtl: wanted.minTtl })

/** Whether the credential may be served when nothing better came: unexpired, long enough, and not the rejected one. */
export const mayServe = (wanted: Wanted, credential: Credential.Credential, now: number): boolean =>
  hasOtherToken(wanted, credential) &&
  Freshness.isUnexpired(Credential.lifetime(credential), now, wanted.minTtl)

/**
 * Whether a credential that came into being after the call began will do. A just redeemed token is served even inside
 * the margin, so that tokens shorter than every demand end the loop; only the rejected one is never the answer.
 */
export const acceptsNew = (wanted: Wanted, credential: Credential.Credential): boolean =>
  hasOtherToken(wanted, credential)
