/** What an answer says about the token that it was given. */
import * as BearerChallenge from "../BearerChallenge.js"

export type Verdict =
  /** Nothing that a token has to do with. */
  | { readonly _tag: "Theirs" }
  /** Expired, revoked, or not liked: another one may be. */
  | { readonly _tag: "Rejected" }
  /** Good, and not good enough. */
  | { readonly _tag: "StepUp"; readonly challenge: BearerChallenge.BearerChallenge }

const THEIRS: Verdict = { _tag: "Theirs" }

/**
 * RFC 6750, 3.1: a 401 is about the token unless it names another error than `invalid_token`; servers that say nothing,
 * or name another scheme only, mean the token as well. `insufficient_scope` is what it is with either status.
 */
export const of = (status: number, wwwAuthenticate: string | null | undefined): Verdict => {
  if (status !== 401 && status !== 403) return THEIRS
  const challenge = BearerChallenge.fromHeader(wwwAuthenticate)
  if (challenge.errors.includes("invalid_token")) return status === 401 ? { _tag: "Rejected" } : THEIRS
  if (challenge.errors.includes("insufficient_scope")) return { _tag: "StepUp", challenge }
  return status === 401 && challenge.errors.length === 0 ? { _tag: "Rejected" } : THEIRS
}
