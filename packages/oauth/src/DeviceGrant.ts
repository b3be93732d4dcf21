/**
 * Logging in on another device: RFC 8628 and what vendors made of it, as data. One driver sends, waits and counts time;
 * a variant says what is sent and what an answer means.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as JsonObject from "./JsonObject.js"
import * as OAuthError from "./OAuthError.js"

/**
 * A request of the device grant. Parameters are spelled as in RFC 8628; the vendor's `spelling` is applied to JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceRequest {
  readonly url: string
  readonly encoding: "form" | "json"
  /** Whether the client names and proves itself, in the way that it does at the token endpoint. */
  readonly authenticated: boolean
  readonly parameters: Readonly<Record<string, string>>
}

/**
 * What both requests are made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceContext {
  readonly deviceAuthorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly scope: Option.Option<string>
  readonly resource: Option.Option<string>
}

/**
 * What a person is shown, and what the server is asked with. Times are seconds.
 *
 * @since 0.1.0
 * @category models
 */
export class DeviceAuthorization extends Data.Class<{
  readonly deviceCode: Redacted.Redacted
  readonly userCode: string
  readonly verificationUri: string
  readonly verificationUriComplete: Option.Option<string>
  readonly interval: number
  readonly expiresIn: number
}> {}

/**
 * What a poll was answered with.
 *
 * @since 0.1.0
 * @category models
 */
export type DevicePoll = Data.TaggedEnum<{
  Pending: {}
  /** Polls come too fast. `interval` in seconds, where the server names the new one. */
  SlowDown: { readonly interval: Option.Option<number> }
  Denied: {}
  Expired: {}
  /** The answer is one of the token endpoint. */
  Granted: {}
  /** The answer is an authorization code that is exchanged like any other. */
  Code: { readonly code: Redacted.Redacted; readonly codeVerifier: Redacted.Redacted; readonly redirectUri: string }
  /** Anything else; the token endpoint's rules judge it. */
  Other: {}
}>

/**
 * Constructors of {@link DevicePoll}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const DevicePoll = Data.taggedEnum<DevicePoll>()

/**
 * One variant of the device grant. Answers arrive in the spelling of RFC 8628.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceGrant {
  readonly start: (context: DeviceContext) => DeviceRequest
  /** `None`: the answer lacks what a person or the next request needs. */
  readonly started: (answer: JsonObject.JsonObject, context: DeviceContext) => Option.Option<DeviceAuthorization>
  readonly poll: (
    attempt: { readonly deviceCode: Redacted.Redacted; readonly userCode: string },
    context: DeviceContext
  ) => DeviceRequest
  readonly polled: (status: number, answer: JsonObject.JsonObject, context: DeviceContext) => DevicePoll
}

/**
 * What a variant of RFC 8628 does differently.
 *
 * @since 0.1.0
 * @category models
 */
export interface Differences {
  readonly encoding: "form" | "json"
  /** Sent with the first request beside what RFC 8628 asks for. */
  readonly parameters: Readonly<Record<string, string>>
  /** Whether the first request names the scope. */
  readonly sendsScope: boolean
  /** Where the server is polled, as an address relative to the device authorization endpoint; else the token endpoint. */
  readonly pollAddress: Option.Option<string>
}

/** Five seconds, RFC 8628 section 3.2. */
const INTERVAL = 5

/** For a server that does not say, which RFC 8628 forbids. */
const LIFETIME = 900

const PENDING = /^authorization_?pending(?:exception)?$/
const SLOW_DOWN = /^slow_?down(?:exception)?$/
const DENIED = /^(?:access|authorization)_?(?:denied|declined)(?:exception)?$/
const EXPIRED = /^expired_?token(?:exception)?$/

const optional = (name: string, value: Option.Option<string>): Record<string, string> =>
  Option.match(value, { onNone: () => ({}), onSome: (text) => ({ [name]: text }) })

const isPositive = (value: number): boolean => value > 0

/** By the error code alone: GitHub answers a poll's error with status 200, AWS names it `AuthorizationPendingException`. */
const polled: DeviceGrant["polled"] = (_, answer) => {
  const codes = OAuthError.codes(answer)
  const says = (pattern: RegExp) => codes.some((code) => pattern.test(code))
  if (says(PENDING)) return DevicePoll.Pending()
  if (says(SLOW_DOWN)) {
    return DevicePoll.SlowDown({ interval: Option.filter(JsonObject.number(answer, "interval"), isPositive) })
  }
  if (says(DENIED)) return DevicePoll.Denied()
  if (says(EXPIRED)) return DevicePoll.Expired()
  return codes.length === 0 && Option.isSome(JsonObject.text(answer, "access_token"))
    ? DevicePoll.Granted()
    : DevicePoll.Other()
}

/**
 * Makes a variant of RFC 8628 from its differences.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (differences: Partial<Differences> = {}): DeviceGrant => {
  const { encoding = "form", parameters = {}, pollAddress = Option.none(), sendsScope = true } = differences
  return {
    start: (context) => ({
      url: context.deviceAuthorizationEndpoint,
      encoding,
      authenticated: true,
      parameters: {
        ...sendsScope ? optional("scope", context.scope) : {},
        ...optional("resource", context.resource),
        ...parameters
      }
    }),
    started: (answer) =>
      Option.gen(function*() {
        return new DeviceAuthorization({
          deviceCode: Redacted.make(yield* JsonObject.text(answer, "device_code")),
          userCode: yield* JsonObject.text(answer, "user_code"),
          // Early drafts, and Google to this day, say `verification_url`.
          verificationUri: yield* Option.orElse(
            JsonObject.text(answer, "verification_uri"),
            () => JsonObject.text(answer, "verification_url")
          ),
          verificationUriComplete: JsonObject.text(answer, "verification_uri_complete"),
          interval: Option.getOrElse(
            Option.filter(JsonObject.number(answer, "interval"), isPositive),
            () => INTERVAL
          ),
          expiresIn: Option.getOrElse(
            Option.filter(JsonObject.number(answer, "expires_in"), isPositive),
            () => LIFETIME
          )
        })
      }),
    poll: ({ deviceCode }, context) => ({
      url: Option.match(pollAddress, {
        onNone: () => context.tokenEndpoint,
        onSome: (address) => new URL(address, context.deviceAuthorizationEndpoint).href
      }),
      encoding,
      authenticated: true,
      parameters: {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: Redacted.value(deviceCode),
        ...optional("resource", context.resource)
      }
    }),
    polled
  }
}

/**
 * RFC 8628, also for servers that answer a poll's error with status 200.
 *
 * @since 0.1.0
 * @category variants
 */
export const rfc8628: DeviceGrant = make()
