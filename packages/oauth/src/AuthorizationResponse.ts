/**
 * The answer to an authorization request (RFC 6749 section 4.1.2, RFC 9207), as a browser or a person brings it.
 *
 * @since 0.1.0
 */
import { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import { LoginFailed } from "./LoginError.js"
import type { OAuthVendor } from "./OAuthVendor.js"
import * as ServerWords from "./ServerWords.js"

/**
 * What was brought. `Whole`: everything that the server put into the address, so that what is missing from it is missing.
 * `Code`: what a person copied from a page, a code and perhaps the `state`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationResponse {
  readonly kind: "Whole" | "Code"
  readonly parameters: Redacted.Redacted<URLSearchParams>
}

/**
 * Takes the query of a redirected address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromQuery = (query: Redacted.Redacted): AuthorizationResponse => ({
  kind: "Whole",
  parameters: Redacted.make(new URLSearchParams(Redacted.value(query)))
})

/** Members of which an answer has one. `u` is what a sealed key comes in. */
const ANSWERS = ["code", "error", "u"] as const

const QUERY = /(?:^|[?&#])(?:code|error|u)=/

const holdsAnswer = (parameters: URLSearchParams): boolean => ANSWERS.some((name) => parameters.has(name))

/** What mail clients, chat programs and shells put around an address, and the line breaks of a narrow terminal. */
const clean = (text: string): string =>
  text.replace(/&(?:amp|#38|#x26);/gi, "&").replace(/\s+/g, "").replace(/^["'`<(]+|["'`>)]+$/g, "")

const whole = (query: string): Option.Option<AuthorizationResponse> => {
  const parameters = new URLSearchParams(query)
  return holdsAnswer(parameters)
    ? Option.some({ kind: "Whole", parameters: Redacted.make(parameters) })
    : Option.none()
}

const decoded = (text: string): string =>
  /%[0-9a-f]{2}/i.test(text)
    ? Option.getOrElse(Option.liftThrowable(decodeURIComponent)(text), () => text)
    : text

const code = (text: string): Option.Option<AuthorizationResponse> => {
  const [value = "", state = "", ...rest] = text.split("#").map(decoded)
  return /^[\x21-\x7e]+$/.test(value) && rest.length === 0
    ? Option.some({
      kind: "Code",
      parameters: Redacted.make(new URLSearchParams({ code: value, ...state === "" ? {} : { state } }))
    })
    : Option.none()
}

/**
 * Reads what a person pasted: a code, `code#state`, a query, or the whole address, with or without what programs put
 * around it. `None` where no code is in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPaste = (pasted: Redacted.Redacted): Option.Option<AuthorizationResponse> => {
  const text = clean(Redacted.value(pasted))
  if (URL.canParse(text) && text.includes("://")) {
    const { hash, search } = new URL(text)
    return Option.orElse(whole(search), () => whole(hash.slice(1)))
  }
  return QUERY.test(text) ? whole(text.slice(text.indexOf("?") + 1)) : code(text)
}

/** Takes as long for a near miss as for a far one. */
const isEqual = (self: string, that: string): boolean => {
  let difference = self.length ^ that.length
  for (let at = 0; at < self.length; at++) difference |= self.charCodeAt(at) ^ that.charCodeAt(at % (that.length || 1))
  return difference === 0
}

const isOneOf = (values: ReadonlyArray<string>, expected: Redacted.Redacted): boolean =>
  values.length === 1 && isEqual(values[0]!, Redacted.value(expected))

/**
 * Whether a query can be the answer to an attempt with this `state`. Any program on the machine can send one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFor = (query: URLSearchParams, state: Redacted.Redacted): boolean =>
  isOneOf(query.getAll("state"), state) && (query.has("code") || query.has("error"))

/** RFC 6749 section 4.1.2.1, and its other names: it was the person, or the server on the person's behalf, who said no. */
const DENIALS = new Set([
  "access_denied",
  "authorization_declined",
  "user_denied",
  "user_cancelled_login",
  "user_cancelled_authorize"
])

const refused = (
  { tenant, vendor }: Attempt,
  error: string,
  detail: string
): LoginFailed | ProviderRejected | ProviderUnavailable => {
  if (DENIALS.has(error)) return new LoginFailed({ tenant, reason: "Denied", detail })
  switch (vendor.errors.get(error)) {
    case "InvalidGrant":
    case "LoginExpired":
    case "RegistrationExpired":
      return new LoginFailed({ tenant, reason: "Denied", detail })
    case "InvalidClient":
      return new ProviderRejected({ tenant, reason: "InvalidClient", detail })
    case "Entitlement":
      return new ProviderRejected({ tenant, reason: "Entitlement", detail })
    case "RateLimited":
      return new ProviderUnavailable({ tenant, reason: "RateLimited", retryAfter: 5_000, detail })
    case "ServerError":
      return new ProviderUnavailable({ tenant, reason: "ServerError", retryAfter: 5_000, detail })
    default:
      return new ProviderRejected({ tenant, reason: "Protocol", detail })
  }
}

/**
 * Takes a code that came straight from the server, over no browser.
 *
 * @since 0.1.0
 * @category constructors
 */
export const trusted = (code: Redacted.Redacted): URLSearchParams =>
  OAuth.validateAuthResponse(
    { issuer: "https://issuer.invalid" },
    { client_id: "client" },
    new URLSearchParams({ code: Redacted.value(code) }),
    OAuth.skipStateCheck
  )

/**
 * The attempt that an answer is held against.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt {
  readonly tenant: TenantId
  readonly vendor: OAuthVendor
  readonly login: PendingLogin
}

/**
 * Refuses an answer whose `state` is another attempt's. An answer without a state is let pass: a person copied the code
 * alone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const checkState = (
  { parameters }: AuthorizationResponse,
  { login, tenant }: Attempt
): Effect.Effect<void, LoginFailed> =>
  Effect.suspend(() => {
    const states = new URLSearchParams(Redacted.value(parameters)).getAll("state")
    return states.length > 0 && !Option.exists(login.state, (state) => isOneOf(states, state))
      ? new LoginFailed({ tenant, reason: "StateMismatch" })
      : Effect.void
  })

const isOfIssuer = (
  { kind }: AuthorizationResponse,
  parameters: URLSearchParams,
  issuer: string,
  login: PendingLogin
) => {
  const named = parameters.getAll("iss")
  return named.length === 0 ? kind === "Code" || !login.issRequired : named.length === 1 && named[0] === issuer
}

/**
 * Holds an answer against its attempt: `state` where the answer has one, then `iss` (RFC 9207; for errors as well), then
 * what the server says. The result is what oauth4webapi builds a token request from.
 *
 * A code that a person copied from a page has no `iss`, and needs no `iss`; PKCE still binds it to this attempt.
 *
 * @since 0.1.0
 * @category combinators
 */
export const validate = (
  response: AuthorizationResponse,
  attempt: Attempt
): Effect.Effect<URLSearchParams, LoginFailed | ProviderRejected | ProviderUnavailable> =>
  Effect.zipRight(
    checkState(response, attempt),
    Effect.suspend(() => {
      const { login, tenant } = attempt
      const parameters = new URLSearchParams(Redacted.value(response.parameters))
      // Without an issuer of our own there is nothing to compare with.
      if (Option.isNone(login.issuer)) parameters.delete("iss")
      const issuer = Option.getOrElse(login.issuer, () => "https://issuer.invalid")
      if (!isOfIssuer(response, parameters, issuer, login)) return new LoginFailed({ tenant, reason: "IssuerMismatch" })

      const secrets = [
        ...[login.state, login.codeVerifier, login.nonce].flatMap(Option.toArray).map(Redacted.value),
        ...parameters.getAll("code"),
        ...parameters.getAll("state")
      ]
      const said = [parameters.get("error"), parameters.get("error_description")].filter((text) => text !== null)
      return Effect.try({
        try: () =>
          OAuth.validateAuthResponse(
            {
              issuer,
              authorization_response_iss_parameter_supported: login.issRequired && response.kind === "Whole"
            },
            { client_id: Option.getOrElse(login.clientId, () => tenant) },
            parameters,
            OAuth.skipStateCheck
          ),
        catch: (cause) =>
          cause instanceof OAuth.AuthorizationResponseError
            ? refused(attempt, cause.error.toLowerCase(), ServerWords.publish(said.join(": "), secrets))
            : new LoginFailed({ tenant, reason: "CodeUnreadable" })
      }).pipe(
        Effect.filterOrFail(
          (valid) => valid.getAll("code").length === 1,
          () => new LoginFailed({ tenant, reason: "CodeUnreadable" })
        )
      )
    })
  )
