/** What a captured answer makes of a stored record. */
import * as Option from "effect/Option"
import * as Credential from "../Credential.js"
import * as Fingerprint from "../Fingerprint.js"
import type * as Host from "../Host.js"
import type { CapturedAnswer, JournalRecord } from "../RefreshJournal.js"

const isTime = (seconds: number): boolean => Number.isFinite(seconds) && seconds > 0

/**
 * Takes a grant into the stored record. What the answer omits is kept; only the expiry is not, since it belongs to the
 * access token that it came with.
 */
export const merge = (
  current: Credential.Credential,
  answer: CapturedAnswer,
  generation: number
): Credential.Credential =>
  Credential.Credential.make({
    ...current,
    accessToken: Option.some(answer.grant.accessToken),
    refreshToken: Option.orElse(answer.grant.refreshToken, () => current.refreshToken),
    idToken: Option.orElse(answer.grant.idToken, () => current.idToken),
    tokenType: Option.orElse(answer.grant.tokenType, () => current.tokenType),
    scope: Option.orElse(answer.grant.scope, () => current.scope),
    // A time that no record may hold is no time: a rotated token is never lost to it.
    expiresAt: Option.filter(answer.grant.expiresAt, isTime),
    obtainedAt: Option.some(answer.obtainedAt),
    loginExpiresAt: Option.orElse(Option.filter(answer.grant.loginExpiresAt, isTime), () => current.loginExpiresAt),
    account: Option.orElse(current.account, () => answer.grant.account),
    generation,
    lastRedeem: Option.some(answer.attempt)
  })

/** Whether the answer brought another refresh token than the one that was redeemed, which is consumed then. */
export const rotates = (host: Host.Host["Type"], answer: Pick<CapturedAnswer, "fingerprint" | "grant">): boolean =>
  Option.exists(answer.grant.refreshToken, (token) => Fingerprint.of(host, token) !== answer.fingerprint)

/** Whether the record was written by this very answer: a write that is reported as failed may have arrived. */
export const wrote = (answer: CapturedAnswer, credential: Credential.Credential): boolean =>
  Option.contains(credential.lastRedeem, answer.attempt)

/**
 * Whether the record is newer than an answer that left its refresh token as it was. Such a token can be redeemed again
 * by another process while the answer waits, and the newer answer is never written over.
 */
export const isOutdated = (
  answer: CapturedAnswer,
  credential: Credential.Credential,
  journal: Pick<JournalRecord, "lastRedeem">
): boolean => {
  const leavesToken = Option.isNone(answer.grant.refreshToken) ||
    Credential.isSameSecret(answer.grant.refreshToken, credential.refreshToken)
  if (!leavesToken || wrote(answer, credential)) return false
  const by = writer(credential, journal)
  // The very record that it was given for, also where a clock that was set back makes that record seem newer.
  if (Option.isSome(by) && Option.contains(answer.over, by.value)) return false
  const obtainedAt = Option.getOrElse(credential.obtainedAt, () => answer.obtainedAt)
  if (obtainedAt !== answer.obtainedAt) return obtainedAt > answer.obtainedAt
  // Seconds are coarse, and another tool's file may hold none. Another attempt wrote it since the answer's request.
  return Option.exists(
    by,
    (attempt) => attempt !== answer.attempt && attempt !== Option.getOrNull(answer.over)
  )
}

/** The attempt that wrote the record, as the record tells or else the journal. */
export const writer = (
  credential: Credential.Credential,
  journal: Pick<JournalRecord, "lastRedeem">
): Option.Option<string> => Option.orElse(credential.lastRedeem, () => journal.lastRedeem)
