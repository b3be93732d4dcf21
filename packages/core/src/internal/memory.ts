/**
 * What this process knows of each tenant: the credential that it served last, and how old that is by a clock that
 * cannot be set.
 */
import type * as Clock from "effect/Clock"
import * as Option from "effect/Option"
import * as Credential from "../Credential.js"
import * as Demand from "../Demand.js"
import * as Freshness from "../Freshness.js"
import type { TenantId } from "../TenantId.js"

export interface Remembered {
  readonly stored: Credential.Stored
  /** The store's epoch before the record was read; `STALE` when the store must be read again in any case. */
  readonly epoch: number
  /** Monotonic nanoseconds at which the token runs out, counted from its adoption by this process. */
  readonly endsAt: Option.Option<bigint>
}

const hasSameToken = (a: Credential.Credential, b: Credential.Credential): boolean =>
  Credential.isSameSecret(a.accessToken, b.accessToken) &&
  Option.getOrNull(a.expiresAt) === Option.getOrNull(b.expiresAt)

/** No epoch of a store: what was written by us may have been overwritten since. */
export const STALE = -1

export const make = () => {
  const entries = new Map<TenantId, Remembered>()
  return {
    get: (tenant: TenantId): Remembered | undefined => entries.get(tenant),

    /** Remembers a record; a token that was known before keeps its monotonic end, whatever happened to the wall clock. */
    set: (tenant: TenantId, stored: Credential.Stored, epoch: number, clock: Clock.Clock): void => {
      const known = entries.get(tenant)
      entries.set(tenant, {
        stored,
        epoch,
        endsAt: known !== undefined && hasSameToken(known.stored.credential, stored.credential)
          ? known.endsAt
          : Option.map(stored.credential.expiresAt, (expiresAt) => {
            const left = Math.round(expiresAt * 1_000 - clock.unsafeCurrentTimeMillis())
            return clock.unsafeCurrentTimeNanos() + BigInt(left) * 1_000_000n
          })
      })
    },

    delete: (tenant: TenantId): void => void entries.delete(tenant)
  }
}

/** Whether the token has run out by the monotonic clock, with so many milliseconds to spare. */
export const hasEnded = (remembered: Remembered, clock: Clock.Clock, spare: number): boolean =>
  Option.exists(
    remembered.endsAt,
    (endsAt) => clock.unsafeCurrentTimeNanos() + BigInt(Math.round(spare)) * 1_000_000n >= endsAt
  )

/** Whether the remembered credential meets the demand, by both clocks. */
export const meets = (remembered: Remembered, demand: Demand.Demand, margin: number, clock: Clock.Clock): boolean => {
  const { credential } = remembered.stored
  const spare = Math.max(Freshness.effectiveMargin(Credential.lifetime(credential), margin), demand.minTtl)
  return Demand.isMetBy(demand, credential, { now: clock.unsafeCurrentTimeMillis(), margin }) &&
    !hasEnded(remembered, clock, spare)
}
