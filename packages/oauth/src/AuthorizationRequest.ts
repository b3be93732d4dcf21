/**
 * The first half of an authorization code grant: what the browser is sent to the server with (RFC 6749 section 4.1.1,
 * RFC 7636, RFC 8707, OpenID Connect), and what has to be remembered until it comes back.
 *
 * @since 0.1.0
 */
import { PendingLogin } from "@lockstep/core/PendingLogins"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import type { LoginClient } from "./LoginClient.js"
import type { LoginTarget } from "./LoginTarget.js"
import { attemptOf } from "./LoginTarget.js"
import * as OfflineAccess from "./OfflineAccess.js"
import * as ResourceIndicator from "./ResourceIndicator.js"

/**
 * What only this attempt knows.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttemptSecrets {
  /** 32 random bytes, base64url. */
  readonly state: Redacted.Redacted
  /** RFC 7636 section 4.1: 32 random bytes, base64url. */
  readonly codeVerifier: Redacted.Redacted
  readonly nonce: Redacted.Redacted
}

/**
 * Makes the secrets of a new attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeSecrets: Effect.Effect<AttemptSecrets> = Effect.sync(() => ({
  state: Redacted.make(OAuth.generateRandomState()),
  codeVerifier: Redacted.make(OAuth.generateRandomCodeVerifier()),
  nonce: Redacted.make(OAuth.generateRandomNonce())
}))

/**
 * An attempt, and the address that begins it.
 *
 * @since 0.1.0
 * @category models
 */
export interface BegunLogin {
  readonly url: string
  readonly login: PendingLogin
}

/**
 * When an attempt began and when it ends. Milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Span {
  readonly beganAt: number
  readonly expiresAt: number
}

const asksFor = (scope: Option.Option<string>, ...words: ReadonlyArray<string>): boolean =>
  Option.exists(scope, (text) => words.every((word) => text.split(" ").includes(word)))

/**
 * OpenID Connect Core section 11: a server ignores `offline_access` without a prompt for consent, and gives no refresh
 * token then; a server of MCP need not be one of OpenID Connect. A vendor whose scopes are known is asked as its own program asks.
 */
const prompt = ({ request: { vendor }, scope }: LoginTarget): Record<string, string> =>
  vendor.scopes.length === 0 && asksFor(scope, ...vendor.strict ? [] : ["openid"], "offline_access")
    ? { prompt: "consent" }
    : {}

/**
 * Adds parameters to an address, spaces as `%20`: not every server reads `+` in a query.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withParameters = (address: string, parameters: Readonly<Record<string, string>>): string => {
  const url = new URL(address)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  url.search = url.searchParams.toString().replaceAll("+", "%20")
  return url.href
}

const present = (members: Readonly<Record<string, Option.Option<string>>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => Option.isSome(value) ? [[name, value.value]] : [])
  )

/**
 * Builds the address of the authorization request and the attempt that its answer belongs to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly target: LoginTarget
  readonly client: LoginClient
  readonly secrets: AttemptSecrets
  readonly redirectUri: string
  readonly span: Span
}): Effect.Effect<BegunLogin> =>
  Effect.gen(function*() {
    const { client, redirectUri, secrets, span, target } = options
    const nonce = asksFor(target.scope, "openid") ? Option.some(secrets.nonce) : Option.none()
    const challenge = yield* Effect.promise(() =>
      OAuth.calculatePKCECodeChallenge(Redacted.value(secrets.codeVerifier))
    )
    const attempt = attemptOf(target, Option.some(client))
    const endpoint = Option.getOrThrow(target.endpoints.authorizationEndpoint)
    const url = withParameters(endpoint, {
      response_type: "code",
      client_id: client.id,
      redirect_uri: redirectUri,
      ...present({
        scope: target.scope,
        resource: ResourceIndicator.sent(attempt),
        nonce: Option.map(nonce, Redacted.value)
      }),
      state: Redacted.value(secrets.state),
      code_challenge: challenge,
      code_challenge_method: "S256",
      ...prompt(target),
      ...target.request.vendor.scopes.length === 0 ? OfflineAccess.parametersFor(endpoint) : {},
      ...target.request.vendor.authorizeParameters,
      ...target.request.authorizeParameters
    })
    const login = PendingLogin.make({
      ...attempt,
      method: "code",
      state: Option.some(secrets.state),
      codeVerifier: Option.some(secrets.codeVerifier),
      nonce,
      redirectUri: Option.some(redirectUri),
      issRequired: Option.exists(
        target.metadata,
        (found) => found.authorization_response_iss_parameter_supported === true
      ),
      expiresAt: Option.some(Math.ceil(span.expiresAt / 1_000)),
      createdAt: span.beganAt / 1_000
    })
    return { url, login }
  })
