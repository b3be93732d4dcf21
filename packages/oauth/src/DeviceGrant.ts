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

/**
 * A request of the device grant. Parameters are spelled as in RFC 8628; the vendor's `spelling` is applied to JSON.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceRequest {
  readonly url: string
  readonly encoding: "form" | "json"
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
  readonly clientId: string
  readonly clientSecret: Option.Option<Redacted.Redacted>
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

const optional = (name: string, value: Option.Option<string>): Record<string, string> =>
  Option.match(value, { onNone: () => ({}), onSome: (text) => ({ [name]: text }) })

const secretOf = ({ clientSecret }: DeviceContext) =>
  optional("client_secret", Option.map(clientSecret, Redacted.value))

/** Five seconds, RFC 8628 section 3.2. */
const INTERVAL = 5

/**
 * RFC 8628, also for servers that answer a poll's error with status 200.
 *
 * @since 0.1.0
 * @category variants
 */
export const rfc8628: DeviceGrant = {
  start: (context) => ({
    url: context.deviceAuthorizationEndpoint,
    encoding: "form",
    parameters: {
      client_id: context.clientId,
      ...secretOf(context),
      ...optional("scope", context.scope),
      ...optional("resource", context.resource)
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
        interval: Option.getOrElse(JsonObject.number(answer, "interval"), () => INTERVAL),
        expiresIn: Option.getOrElse(JsonObject.number(answer, "expires_in"), () => 900)
      })
    }),
  poll: ({ deviceCode }, context) => ({
    url: context.tokenEndpoint,
    encoding: "form",
    parameters: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      client_id: context.clientId,
      ...secretOf(context),
      device_code: Redacted.value(deviceCode),
      ...optional("resource", context.resource)
    }
  }),
  polled: (_, answer) => {
    switch (Option.getOrUndefined(JsonObject.text(answer, "error"))) {
      case undefined:
        return Option.isSome(JsonObject.text(answer, "access_token")) ? DevicePoll.Granted() : DevicePoll.Other()
      case "authorization_pending":
        return DevicePoll.Pending()
      case "slow_down":
        return DevicePoll.SlowDown({ interval: JsonObject.number(answer, "interval") })
      case "access_denied":
      case "authorization_denied":
        return DevicePoll.Denied()
      case "expired_token":
        return DevicePoll.Expired()
      default:
        return DevicePoll.Other()
    }
  }
}
