import * as Option from "effect/Option"
import * as Credential from "../Credential.js"
import type { CapturedAnswer } from "../RefreshJournal.js"

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
    expiresAt: answer.grant.expiresAt,
    obtainedAt: Option.some(answer.obtainedAt),
    loginExpiresAt: Option.orElse(answer.grant.loginExpiresAt, () => current.loginExpiresAt),
    account: Option.orElse(current.account, () => answer.grant.account),
    generation,
    lastRedeem: Option.some(answer.attempt)
  })
