/**
 * The second half of an authorization code grant: the code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { ProviderRejected } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import type { Attempt } from "./AuthorizationResponse.js"
import * as AuthorizationServer from "./AuthorizationServer.js"
import type { LoginError } from "./LoginError.js"
import type { Wire } from "./LoginGrant.js"
import * as LoginGrant from "./LoginGrant.js"
import * as LoginTarget from "./LoginTarget.js"
import * as ResourceIndicator from "./ResourceIndicator.js"
import * as WireRequest from "./WireRequest.js"

/**
 * Finds the token endpoint and the client's credentials for it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const tokenEndpoint = (
  { clientIds, clientSecrets, discovery, roundTripper }: Wire,
  { login, tenant, vendor }: Attempt
): Effect.Effect<AuthorizationServer.AuthorizationServer, LoginError> =>
  Effect.flatMap(
    AuthorizationServer.resolve(
      { tenant, vendor, credential: LoginTarget.recordOf(login), roundTripper, discovery, clientIds, clientSecrets },
      "token_endpoint"
    ),
    Option.match({
      onNone: () => new ProviderRejected({ tenant, reason: "Protocol", detail: "no token endpoint is known" }),
      onSome: Effect.succeed
    })
  )

/**
 * Prepares all that can fail without spending the code. The effect that comes back sends it, once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const prepare = (wire: Wire, attempt: Attempt, grant: {
  /** As `AuthorizationResponse` validated them. */
  readonly parameters: URLSearchParams
  readonly redirectUri: string
  readonly codeVerifier: Redacted.Redacted
}): Effect.Effect<Effect.Effect<Credential, LoginError>, LoginError> =>
  Effect.gen(function*() {
    const { login, tenant, vendor } = attempt
    const { client, clientAuth, clientSecret, insecure, server } = yield* tokenEndpoint(wire, attempt)
    const state = vendor.stateInExchange ? Option.map(login.state, Redacted.value) : Option.none()
    const request = yield* WireRequest.capture((customFetch) =>
      OAuth.authorizationCodeGrantRequest(
        server,
        client,
        clientAuth,
        grant.parameters,
        grant.redirectUri,
        Redacted.value(grant.codeVerifier),
        {
          additionalParameters: {
            ...ResourceIndicator.parameters(login),
            ...Option.match(state, { onNone: () => ({}), onSome: (value) => ({ state: value }) })
          },
          headers: { ...vendor.headers },
          [OAuth.customFetch]: customFetch,
          [OAuth.allowInsecureRequests]: insecure
        }
      )
    ).pipe(Effect.mapError(({ detail }) => new ProviderRejected({ tenant, reason: "Protocol", detail })))
    const sent = [
      ...grant.parameters.getAll("code").map((code) => Redacted.make(code)),
      grant.codeVerifier,
      ...[login.state, login.nonce, clientSecret].flatMap(Option.toArray)
    ]
    return Effect.gen(function*() {
      const exchange = yield* LoginGrant.send(
        wire,
        tenant,
        WireRequest.encode(request, vendor.exchangeEncoding, vendor.spelling)
      )
      return yield* LoginGrant.settle(wire, attempt, yield* LoginGrant.read(attempt, exchange, sent))
    }).pipe(Effect.withSpan("lockstep.login.exchange", { attributes: { tenant, vendor: vendor.id } }))
  })
