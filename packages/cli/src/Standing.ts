/**
 * How a tenant stands, judged from what anybody may read without a lock.
 *
 * The order is that in which a refresh decides: what is usable is usable whatever the journal says, and the journal
 * tells what the next refresh will run into.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import type { LockHolder, ReauthorizationRequired } from "@lockstep/core/Errors"
import * as Freshness from "@lockstep/core/Freshness"
import type { Intent, JournalRecord } from "@lockstep/core/RefreshJournal"
import * as Option from "effect/Option"

/**
 * What keeps the next refresh from succeeding.
 *
 * @since 0.1.0
 * @category models
 */
export type Obstacle =
  | { readonly _tag: "Login"; readonly reason: ReauthorizationRequired["reason"] }
  /** Milliseconds since the epoch. */
  | { readonly _tag: "Cooldown"; readonly until: number }

/**
 * In one word, for the table and for programs.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "fresh" | "expiring" | "expired" | "refreshing" | "cooldown" | "needs_login"

/**
 * How a tenant stands.
 *
 * @since 0.1.0
 * @category models
 */
export interface Standing {
  readonly state: State
  readonly obstacle: Option.Option<Obstacle>
}

/**
 * What is judged. Times are milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Evidence {
  readonly credential: Credential.Credential
  readonly journal: JournalRecord
  /** Of the stored refresh token. */
  readonly fingerprint: Option.Option<string>
  /** The attempt whose answer is kept, waiting to be stored. */
  readonly keptAttempt: Option.Option<string>
  readonly holder: Option.Option<LockHolder>
  /** Whether a refresh may retire the refresh token; where it does not, no outcome is unknown. */
  readonly rotates: boolean
  readonly margin: number
  readonly now: number
}

/** Requests whose answer nobody read: the first, and the one retry. */
const SENDS_ALLOWED = 2

const intentOf = ({ credential, fingerprint, journal, rotates }: Evidence): Option.Option<Intent> =>
  Option.filter(journal.intent, (intent) =>
    rotates && Option.contains(fingerprint, intent.fingerprint) &&
    !Option.contains(credential.lastRedeem, intent.attempt) &&
    !Option.contains(journal.lastRedeem, intent.attempt))

const obstacleOf = (evidence: Evidence): Option.Option<Obstacle> => {
  const { credential, journal, now } = evidence
  const login = (reason: ReauthorizationRequired["reason"]) => Option.some<Obstacle>({ _tag: "Login", reason })
  if (Option.isNone(evidence.fingerprint)) {
    return Option.isNone(credential.expiresAt) ? Option.none() : login("NoRefreshToken")
  }
  const fingerprint = evidence.fingerprint.value
  const intent = intentOf(evidence)
  // A kept answer is stored by the next refresh, whatever else the journal says.
  const isKept = Option.exists(
    evidence.keptAttempt,
    (attempt) => Option.isSome(intent) || !Option.contains(credential.lastRedeem, attempt)
  )
  if (isKept) return Option.none()
  if (Option.exists(intent, ({ state }) => state === "consumed")) return login("RotationLost")
  if (journal.retired.some((retired) => retired.fingerprint === fingerprint)) return login("Stale")
  const mark = Option.filter(journal.mark, (one) => one.fingerprint === fingerprint)
  if (Option.isSome(mark)) return login(mark.value.reason)
  if (Option.exists(credential.loginExpiresAt, (at) => at * 1000 <= now)) return login("LoginExpired")
  if (Option.exists(credential.clientSecretExpiresAt, (at) => at * 1000 <= now)) return login("RegistrationExpired")
  const waits = [
    ...Option.toArray(Option.filter(journal.rest, (rest) => rest.fingerprint === fingerprint)),
    ...Option.toArray(journal.cooldown)
  ].filter(({ setAt, until }) => setAt <= now && now < until)
  if (waits.length > 0) {
    return Option.some({ _tag: "Cooldown", until: Math.max(...waits.map(({ until }) => until)) })
  }
  return Option.exists(intent, ({ sends }) => sends >= SENDS_ALLOWED) ? login("OutcomeUnknown") : Option.none()
}

/**
 * Judges how a tenant stands.
 *
 * @since 0.1.0
 * @category constructors
 */
export const judge = (evidence: Evidence): Standing => {
  const { credential, margin, now } = evidence
  const lifetime = Credential.lifetime(credential)
  const hasToken = Option.isSome(credential.accessToken)
  const obstacle = obstacleOf(evidence)
  if (hasToken && Freshness.isFresh(lifetime, { now, margin, minTtl: 0 })) return { state: "fresh", obstacle }
  if (Option.isSome(evidence.holder)) return { state: "refreshing", obstacle }
  const isExpiring = hasToken && Freshness.isUnexpired(lifetime, now)
  if (Option.isNone(obstacle)) return { state: isExpiring ? "expiring" : "expired", obstacle }
  // Without a refresh token there is nothing to wait for as long as the access token lasts.
  if (obstacle.value._tag === "Login" && obstacle.value.reason === "NoRefreshToken" && isExpiring) {
    return { state: "expiring", obstacle }
  }
  return { state: obstacle.value._tag === "Login" ? "needs_login" : "cooldown", obstacle }
}
