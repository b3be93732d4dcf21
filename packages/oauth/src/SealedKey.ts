/**
 * The `key` method: a vendor seals an API key for a key pair that lives as long as one attempt. No token endpoint, no
 * `state`; an answer belongs to the attempt whose key opens it.
 *
 * @since 0.1.0
 */
import { Credential } from "@lockstep/core/Credential"
import { PendingLogin } from "@lockstep/core/PendingLogins"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { BegunLogin, Span } from "./AuthorizationRequest.js"
import { withParameters } from "./AuthorizationRequest.js"
import type { Attempt, AuthorizationResponse } from "./AuthorizationResponse.js"
import * as JsonObject from "./JsonObject.js"
import { LoginFailed } from "./LoginError.js"
import type { LoginTarget } from "./LoginTarget.js"
import { attemptOf, recordOf } from "./LoginTarget.js"
import * as MimocodeKey from "./vendors/MimocodeKey.js"

/**
 * Builds the address that a person opens, and the attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly target: LoginTarget
  readonly redirectUri: string
  readonly span: Span
}): Effect.Effect<BegunLogin> =>
  Effect.gen(function*() {
    const { redirectUri, span, target } = options
    const privateKey = yield* MimocodeKey.generate
    return {
      url: withParameters(Option.getOrThrow(target.endpoints.authorizationEndpoint), {
        redirect_uri: redirectUri,
        ...yield* MimocodeKey.parameters(privateKey),
        ...target.request.vendor.authorizeParameters
      }),
      login: PendingLogin.make({
        ...attemptOf(target, Option.none()),
        method: "key",
        scope: Option.none(),
        redirectUri: Option.some(redirectUri),
        privateKey: Option.some(privateKey),
        expiresAt: Option.some(Math.ceil(span.expiresAt / 1_000)),
        createdAt: span.beganAt / 1_000
      })
    }
  })

/**
 * Opens an answer and makes the record of it. Nothing is sent.
 *
 * @since 0.1.0
 * @category combinators
 */
export const open = (
  { parameters }: AuthorizationResponse,
  { login, tenant, vendor }: Attempt
): Effect.Effect<Credential, LoginFailed> =>
  Effect.gen(function*() {
    const query = Redacted.value(parameters)
    const sealed = query.get("u") ?? query.get("code") ?? ""
    const opened = yield* MimocodeKey.open(sealed, Option.getOrElse(login.privateKey, () => Redacted.make("")))
    const answer = Option.map(opened, vendor.normalize)
    const key = Option.flatMap(answer, (members) => JsonObject.text(members, "access_token"))
    if (Option.isNone(key)) return yield* new LoginFailed({ tenant, reason: "CodeUnreadable" })
    const now = yield* Clock.currentTimeMillis
    return Credential.make({
      ...recordOf(login),
      accessToken: Option.some(Redacted.make(key.value)),
      obtainedAt: Option.some(Math.floor(now / 1_000)),
      account: Option.flatMap(answer, vendor.account)
    })
  })
