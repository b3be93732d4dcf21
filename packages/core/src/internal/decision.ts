/**
 * What the holder of the tenant lock does next. Pure, and decided by the read under the lock alone (I2).
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Stored } from "../Credential.js"
import * as Credential from "../Credential.js"
import {
  CredentialStoreError,
  ProviderRejected,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError
} from "../Errors.js"
import type { CapturedAnswer, Intent, JournalRecord } from "../RefreshJournal.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { TenantId } from "../TenantId.js"
import type { RefreshTraits } from "../TokenEndpoint.js"
import * as Ledger from "./ledger.js"
import * as Wanted from "./wanted.js"

/** Requests whose answer nobody read: the first, and the one retry. */
const SENDS_ALLOWED = 2

export type Decision = Data.TaggedEnum<{
  Stop: { readonly error: RefreshError }
  Adopt: { readonly stored: Stored }
  /** A rotation was answered and not stored: store the kept answer. */
  Recover: { readonly stored: Stored; readonly fingerprint: string; readonly answer: CapturedAnswer }
  Redeem: {
    readonly stored: Stored
    readonly fingerprint: string
    /** An earlier request of unknown or ambiguous outcome, which must not be forgotten. */
    readonly previous: Option.Option<Intent>
    /** Milliseconds since the epoch before which nothing may be sent: an earlier request may still be on its way. */
    readonly notBefore: Option.Option<number>
  }
}>

export const Decision = Data.taggedEnum<Decision>()

export interface Evidence {
  readonly tenant: TenantId
  readonly location: string
  readonly stored: Option.Option<Stored>
  readonly journal: JournalRecord
  readonly kept: Option.Option<CapturedAnswer>
  readonly fingerprint: (credential: Credential.Credential) => Option.Option<string>
  readonly traits: (credential: Credential.Credential) => RefreshTraits
  readonly policy: RefreshPolicy["Type"]
  readonly wanted: Wanted.Wanted
  /** The credential that the flight set out with. */
  readonly hint: Credential.Credential
  readonly now: number
  /** When the lock was taken. Whoever held it before is gone since then at the latest. */
  readonly acquiredAt: number
}

/** The record belongs to another account than the flight's: never a token of one account for a caller of another. */
export const superseded = (location: string, from: string, to: string) =>
  new CredentialStoreError({
    reason: "Superseded",
    location,
    detail: `account ${from} was replaced by account ${to}`
  })

const stop = (error: RefreshError) => Decision.Stop({ error })

/** Whether a moment in seconds has come. `now` is in milliseconds. */
const hasPassed = (at: Option.Option<number>, now: number): boolean => Option.exists(at, (time) => time * 1_000 <= now)

export const decide = (evidence: Evidence): Decision => {
  const { journal, now, policy, tenant, wanted } = evidence
  const reauthorize = (reason: ReauthorizationRequired["reason"], detail?: string) =>
    stop(new ReauthorizationRequired({ tenant, reason, detail }))

  if (Option.isNone(evidence.stored)) return reauthorize("Removed")
  const stored = evidence.stored.value
  const credential = stored.credential

  if (Credential.isOtherAccount(evidence.hint, credential)) {
    return stop(superseded(
      evidence.location,
      Option.getOrElse(Credential.accountId(evidence.hint), () => "?"),
      Option.getOrElse(Credential.accountId(credential), () => "?")
    ))
  }

  const traits = evidence.traits(credential)
  if (Wanted.isMetBy(wanted, credential, { now, margin: Wanted.margin(wanted, traits, policy) })) {
    return Decision.Adopt({ stored })
  }

  const fingerprint = Option.getOrUndefined(evidence.fingerprint(credential))
  if (fingerprint === undefined) return reauthorize("NoRefreshToken")

  const intent = traits.rotates ? Ledger.counts(journal, credential, fingerprint) : Option.none<Intent>()
  // An answer that belongs to the stored refresh token proves that it is consumed, whatever the intent had time to say.
  const answer = Option.filter(evidence.kept, (kept) =>
    kept.fingerprint === fingerprint &&
    (Option.isNone(intent) ? !Option.contains(credential.lastRedeem, kept.attempt) : true))
  if (Option.isSome(answer)) return Decision.Recover({ stored, fingerprint, answer: answer.value })
  if (wanted.cause === "drain") return Decision.Adopt({ stored })
  if (Option.exists(intent, (one) => one.state === "consumed")) return reauthorize("RotationLost")

  if (Ledger.isRetired(journal, fingerprint)) return reauthorize("Stale")
  const mark = Ledger.marked(journal, fingerprint)
  if (Option.isSome(mark)) return reauthorize(mark.value.reason, Option.getOrUndefined(mark.value.detail))
  if (hasPassed(credential.loginExpiresAt, now)) return reauthorize("LoginExpired")
  if (hasPassed(credential.clientSecretExpiresAt, now)) return reauthorize("RegistrationExpired")

  if (wanted.cause === "rejected" && Ledger.isStorm(journal, now)) {
    return stop(new ProviderRejected({ tenant, reason: "FreshTokenRejected" }))
  }

  // A rejected access token is no reason to let its refresh rest.
  const rest = wanted.cause === "rejected" ? Option.none() : Ledger.resting(journal, fingerprint, now)
  if (Option.isSome(rest)) {
    return stop(
      new ProviderUnavailable({
        tenant,
        reason: "Cooldown",
        retryAfter: rest.value.until - now,
        detail: "an early refresh was refused; it is tried again when the access token expires"
      })
    )
  }
  const cooldown = Ledger.coolingDown(journal, now)
  if (Option.isSome(cooldown) && !(wanted.cause === "person" && cooldown.value.source === "backoff")) {
    return stop(new ProviderUnavailable({ tenant, reason: "Cooldown", retryAfter: cooldown.value.until - now }))
  }

  if (Option.exists(intent, (one) => one.sends >= SENDS_ALLOWED) && !wanted.acceptRisk) {
    return reauthorize("OutcomeUnknown")
  }

  return Decision.Redeem({
    stored,
    fingerprint,
    previous: intent,
    notBefore: Option.map(
      Option.filter(intent, (one) => one.sends > 0),
      (one) => connectionEnd(one, evidence) + Duration.toMillis(policy.quietTime)
    )
  })
}

/** Whether nothing but a new login helps: whatever sends a person to log in must let that person log in. */
export const isOver = (stored: Stored, evidence: Omit<Evidence, "stored" | "wanted" | "hint">): boolean => {
  const decision = decide({
    ...evidence,
    stored: Option.some(stored),
    hint: stored.credential,
    wanted: { ...Wanted.fromDemand(), notToken: stored.credential.accessToken, cause: "person" }
  })
  return decision._tag === "Stop" && decision.error._tag === "ReauthorizationRequired"
}

/**
 * The latest moment at which the unanswered request can have been alive. Its process noted the end, or it died, which
 * the kernel told us by giving us its lock; and no request outlives `redeemLimit`. An intent from the future says
 * nothing, because the clock went back: then it is the lock that tells.
 */
const connectionEnd = (intent: Intent, { acquiredAt, policy }: Evidence): number =>
  Math.min(acquiredAt, Option.getOrElse(intent.endedAt, () => intent.at + Duration.toMillis(policy.redeemLimit)))
