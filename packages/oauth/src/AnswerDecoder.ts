/**
 * Judges a token endpoint's answer by what it says about the refresh token that was sent: exchanged, dead, untouched, or
 * unknown.
 *
 * Total and tolerant. An answer with an access token is a grant, whatever else is wrong with it, because its refresh
 * token has no second copy anywhere. A 2xx without one proves nothing. Everything else is a refusal, and a refusal leaves
 * the token alone; only a 5xx can hide that it was taken.
 *
 * @since 0.1.0
 */
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AnswerMembers from "./AnswerMembers.js"
import * as Expiry from "./Expiry.js"
import * as JsonObject from "./JsonObject.js"
import * as OAuthError from "./OAuthError.js"
import type { ErrorMeaning, OAuthVendor } from "./OAuthVendor.js"
import * as Refusal from "./Refusal.js"
import * as RetryAfter from "./RetryAfter.js"
import * as ServerWords from "./ServerWords.js"
import * as Spelling from "./Spelling.js"
import type { WireAnswer, WireExchange } from "./WireExchange.js"

/**
 * What decoding depends on beside the answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Circumstances {
  readonly vendor: OAuthVendor
  /** When the answer was read. Milliseconds since the epoch. */
  readonly now: number
  /** What was sent and must not come back in a message. */
  readonly sent: ReadonlyArray<Redacted.Redacted>
}

/** In the form of RFC 6749, whatever the vendor's own is. */
const standardBody = (answer: WireAnswer, vendor: OAuthVendor): Option.Option<JsonObject.JsonObject> =>
  Option.map(AnswerMembers.read(answer), (body) => vendor.normalize(Spelling.fromWire(vendor.spelling, body)))

const secret = (body: JsonObject.JsonObject, member: string): Option.Option<Redacted.Redacted> =>
  Option.map(JsonObject.text(body, member), (token) => Redacted.make(token))

const grantOf = (
  body: JsonObject.JsonObject,
  { now, vendor }: Circumstances
): Option.Option<TokenGrant> =>
  Option.map(JsonObject.text(body, "access_token"), (accessToken) => {
    const seconds = Math.floor(now / 1000)
    return TokenGrant.make({
      accessToken: Redacted.make(accessToken),
      refreshToken: secret(body, "refresh_token"),
      idToken: secret(body, "id_token"),
      tokenType: JsonObject.text(body, "token_type"),
      scope: JsonObject.words(body, "scope"),
      expiresAt: Expiry.expiresAt(vendor.expiry, body, accessToken, seconds),
      loginExpiresAt: vendor.loginExpiresIn.pipe(
        Option.flatMap((member) => JsonObject.number(body, member)),
        Option.flatMap((lifetime) => Expiry.fromLifetime(lifetime, seconds)),
        Option.map(Math.floor)
      ),
      account: vendor.account(body)
    })
  })

const isSuccess = (status: number) => status >= 200 && status <= 299

const refusal = (meaning: ErrorMeaning, retryAfter: Option.Option<number>, detail: string): RedeemAnswer => {
  switch (meaning) {
    case "InvalidGrant":
    case "LoginExpired":
    case "RegistrationExpired":
      return RedeemAnswer.Terminal({ reason: meaning, detail })
    case "InvalidClient":
    case "Entitlement":
    case "Protocol":
      return RedeemAnswer.Rejected({ reason: meaning, detail })
    case "RateLimited":
      return RedeemAnswer.RateLimited({ retryAfter, detail })
    case "ServerError":
      return RedeemAnswer.ServerError({ retryAfter, detail })
  }
}

const ENDS = {
  Whole: "",
  Open: ", not ended in time",
  Cut: ", cut short",
  TooLarge: ", too large to be one"
} as const

/**
 * Says in one line what an answer without a token was: its status, its error code, the server's explanation. Holds
 * nothing of what was sent or of any token in the answer.
 *
 * @since 0.1.0
 * @category getters
 */
export const describe = (answer: WireAnswer, sent: ReadonlyArray<Redacted.Redacted>): string => {
  const body = AnswerMembers.read(answer)
  const secrets = [...sent.map(Redacted.value), ...Option.toArray(body).flatMap(JsonObject.secrets)]
  const code = Option.flatMapNullable(body, (found) => OAuthError.codes(found)[0])
  const words = [code, Option.flatMap(body, OAuthError.description)].flatMap(Option.toArray).join(": ")
  const said = ServerWords.publish(words, secrets)
  return `HTTP ${answer.status}${ENDS[answer.end]}${said === "" ? "" : ` ${said}`}`
}

const judge = (answer: WireAnswer, circumstances: Circumstances): RedeemAnswer => {
  const { status } = answer
  const body = standardBody(answer, circumstances.vendor)
  const grant = isSuccess(status) ? Option.flatMap(body, (found) => grantOf(found, circumstances)) : Option.none()
  if (Option.isSome(grant)) return RedeemAnswer.Granted({ grant: grant.value })

  const detail = describe(answer, circumstances.sent)
  // Not followed, so no server has looked at the token; browsers hide the status of a redirect behind 0.
  if (status < 200 || (status >= 300 && status <= 399)) return RedeemAnswer.Rejected({ reason: "Protocol", detail })

  const codes = Option.toArray(body).flatMap(OAuthError.codes)
  const isKnown = codes.some((code) => Option.isSome(Refusal.ofCode(circumstances.vendor, code)))
  if (isSuccess(status) && !isKnown && !Option.exists(body, OAuthError.isError)) {
    return RedeemAnswer.Unknown({
      detail: `${detail}, without an access token`,
      answered: answer.end === "Whole" || answer.end === "TooLarge"
    })
  }
  // A refusal cut short could have been any refusal. Where the status alone decides, it has been read.
  if ((answer.end === "Cut" || answer.end === "Open") && Option.isNone(body) && status < 500 && status !== 429) {
    return RedeemAnswer.Unknown({ detail })
  }
  const isPage = Option.isNone(body) && Redacted.value(answer.body).trim() !== ""
  const meaning = Refusal.meaningOf({ status, body, isPage }, circumstances.vendor)
  const said = isPage && meaning === "Protocol" ? `${detail}, a page in place of an answer` : detail
  return refusal(meaning, RetryAfter.millis(answer, circumstances.now), said)
}

/**
 * Decodes what came of sending a refresh token.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (exchange: WireExchange, circumstances: Circumstances): RedeemAnswer => {
  switch (exchange._tag) {
    case "NeverSent":
      return RedeemAnswer.NeverSent({ detail: exchange.detail, remedy: exchange.remedy })
    case "Lost":
    case "Silent":
      return RedeemAnswer.Unknown({ detail: exchange.detail })
    case "Answered":
      return judge(exchange.answer, circumstances)
  }
}
