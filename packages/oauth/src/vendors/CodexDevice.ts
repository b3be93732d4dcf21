/**
 * The device login of OpenAI's Codex, which is not RFC 8628. Facts as read in openai/codex
 * `codex-rs/login/src/device_code_auth.rs`, not promised by OpenAI.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { DeviceAuthorization, DevicePoll } from "../DeviceGrant.js"
import type { DeviceContext, DeviceGrant } from "../DeviceGrant.js"
import * as JsonObject from "../JsonObject.js"

/** Seconds. The server names no end; the vendor's own client gives up then. */
const LIFETIME = 15 * 60

const INTERVAL = 5

/** `{issuer}/api/accounts/deviceauth/usercode`: everything else is found from it. */
const START = /\/api\/accounts\/deviceauth\/usercode$/

const issuerOf = ({ deviceAuthorizationEndpoint }: DeviceContext): string =>
  deviceAuthorizationEndpoint.replace(START, "")

/**
 * Starts and polls with JSON that names no client; 403 and 404 mean that the person has not agreed yet; what is granted
 * is an authorization code together with its verifier. A 404 to the first request: this issuer has no device login.
 *
 * @since 0.1.0
 * @category variants
 */
export const codexDevice: DeviceGrant = {
  start: ({ deviceAuthorizationEndpoint }) => ({
    url: deviceAuthorizationEndpoint,
    encoding: "json",
    authenticated: true,
    parameters: {}
  }),
  started: (answer, context) =>
    Option.gen(function*() {
      return new DeviceAuthorization({
        deviceCode: Redacted.make(yield* JsonObject.text(answer, "device_auth_id")),
        userCode: yield* Option.orElse(
          JsonObject.text(answer, "user_code"),
          () => JsonObject.text(answer, "usercode")
        ),
        verificationUri: `${issuerOf(context)}/codex/device`,
        verificationUriComplete: Option.none(),
        // The server writes it as a string.
        interval: Option.getOrElse(
          Option.filter(JsonObject.number(answer, "interval"), (seconds) => seconds > 0),
          () => INTERVAL
        ),
        expiresIn: LIFETIME
      })
    }),
  poll: ({ deviceCode, userCode }, context) => ({
    url: `${issuerOf(context)}/api/accounts/deviceauth/token`,
    encoding: "json",
    authenticated: false,
    parameters: { device_auth_id: Redacted.value(deviceCode), user_code: userCode }
  }),
  polled: (status, answer, context) => {
    if (status === 403 || status === 404) return DevicePoll.Pending()
    const grant = Option.all({
      code: JsonObject.text(answer, "authorization_code"),
      codeVerifier: JsonObject.text(answer, "code_verifier")
    })
    return Option.match(grant, {
      onNone: () => DevicePoll.Other(),
      onSome: ({ code, codeVerifier }) =>
        DevicePoll.Code({
          code: Redacted.make(code),
          codeVerifier: Redacted.make(codeVerifier),
          redirectUri: `${issuerOf(context)}/deviceauth/callback`
        })
    })
  }
}
