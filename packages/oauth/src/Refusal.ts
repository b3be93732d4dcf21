/**
 * What a refusal of a token endpoint means for the login, whatever name the server has for it.
 *
 * RFC 6749 has one code for a dead refresh token, and servers have a dozen: a code of their own, `invalid_request` with the
 * reason in prose, prose alone. A dead token that is not known as one is shown to the server again at every call, and the
 * person is never told to log in. So the refresh token's end is read from codes and from words, and from words only where
 * they name the refresh token: a wrong request is the program's fault, and no login helps.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type * as JsonObject from "./JsonObject.js"
import * as OAuthError from "./OAuthError.js"
import type { ErrorMeaning, OAuthVendor } from "./OAuthVendor.js"

const NAMED = /refresh[\s_-]?token/

const ENDED =
  /invalid|expired|revoked|reused|already (?:been )?(?:used|exchanged|redeemed|consumed)|already_used|consumed|bad_|not[\s_](?:found|valid|recogni[sz]ed|active)|unknown|inactive|no longer|does not exist|malformed|blacklisted|blocked/

/** A request without a refresh token, or one too many, says nothing about any. */
const MISFORMED =
  /missing|(?:is|are|_) ?required|must (?:be|have|contain|include)|unsupported|not (?:supported|allowed|permitted)|duplicate|parameter/

/** Codes that say no more than the status does. */
const UNSPECIFIC = new Set([
  "invalid_request",
  "invalid_request_error",
  "bad_request",
  "unauthorized",
  "forbidden",
  "error"
])

/**
 * Whether a meaning ends the login: a person must log in again.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTerminal = (meaning: ErrorMeaning): boolean =>
  meaning === "InvalidGrant" || meaning === "LoginExpired" || meaning === "RegistrationExpired"

const namesEnd = (text: string): boolean => NAMED.test(text) && ENDED.test(text) && !MISFORMED.test(text)

/**
 * Reads one code: as the vendor means it, else by the words in it.
 *
 * @since 0.1.0
 * @category getters
 */
export const ofCode = (vendor: OAuthVendor, code: string): Option.Option<ErrorMeaning> =>
  Option.orElse(
    Option.fromNullable(vendor.errors.get(code)),
    () => namesEnd(code) ? Option.some("InvalidGrant" as const) : Option.none()
  )

const inWords = (status: number, body: JsonObject.JsonObject, codes: ReadonlyArray<string>): boolean =>
  status < 500 && status !== 429 && codes.every((code) => UNSPECIFIC.has(code)) &&
  Option.exists(OAuthError.description(body), (words) => namesEnd(words.toLowerCase()))

/**
 * Judges a refusal.
 *
 * A dead grant is dead under any status. Else the statuses that a gateway sets before the server was asked come before the
 * server's own words, and those before the meaning of a bare status. A page in place of an answer is not the server's: what
 * its status would mean of an account is not said.
 *
 * @since 0.1.0
 * @category getters
 */
export const meaningOf = (answer: {
  readonly status: number
  /** `None`: what came is no object. */
  readonly body: Option.Option<JsonObject.JsonObject>
  /** Whether something came all the same. */
  readonly isPage: boolean
}, vendor: OAuthVendor): ErrorMeaning => {
  const { body, isPage, status } = answer
  const codes = Option.toArray(body).flatMap(OAuthError.codes)
  const coded = codes.flatMap((code) => Option.toArray(ofCode(vendor, code)))
  const terminal = coded.find(isTerminal)
  if (terminal !== undefined) return terminal
  if (Option.exists(body, (found) => inWords(status, found, codes))) return "InvalidGrant"
  if (status === 429) return "RateLimited"
  if (status >= 500) return "ServerError"
  const byStatus = vendor.statuses.get(status)
  if (byStatus !== undefined && isTerminal(byStatus)) return byStatus
  if (isPage && byStatus === "Entitlement") return "Protocol"
  return coded[0] ?? byStatus ?? "Protocol"
}
