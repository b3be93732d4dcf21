/**
 * Grants without a person: the client asks in its own name (RFC 6749 section 4.4), or with an assertion about a person that
 * an identity provider gives it for this very server (RFC 8693, then RFC 7523: the enterprise-managed authorization of MCP).
 *
 * Nothing rotates and nothing can be lost: what is asked with stays good. Otherwise such a tenant is one like every other:
 * among all processes one of them asks.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { ProviderRejected } from "@lockstep/core/Errors"
import { type PreparedRedemption, RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AnswerDecoder from "./AnswerDecoder.js"
import type * as AuthorizationServer from "./AuthorizationServer.js"
import * as ClientAuth from "./ClientAuth.js"
import * as EndpointUrl from "./EndpointUrl.js"
import * as ResourceIndicator from "./ResourceIndicator.js"
import * as WireExchange from "./WireExchange.js"
import * as WireRequest from "./WireRequest.js"

/**
 * RFC 6749 section 4.4.
 *
 * @since 0.1.0
 * @category constants
 */
export const CLIENT_CREDENTIALS = "client_credentials"

/**
 * RFC 7523 section 2.1.
 *
 * @since 0.1.0
 * @category constants
 */
export const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"

const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
const ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"

/**
 * Whether a record's access tokens are asked for without a refresh token.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOne = ({ grant }: Credential): boolean => Option.isSome(grant)

const rejected = (tenant: string, detail: string) => new ProviderRejected({ tenant, reason: "Protocol", detail })

type Server = AuthorizationServer.AuthorizationServer

const parametersOf = (credential: Credential): Record<string, string> => ({
  ...Option.match(credential.scope, { onNone: () => ({}), onSome: (scope) => ({ scope }) }),
  ...ResourceIndicator.parameters(credential)
})

const build = (
  { tenant, vendor }: AuthorizationServer.Subject,
  { client, clientAuth, server }: Server,
  grant: string,
  parameters: Record<string, string>
): Effect.Effect<WireRequest.WireRequest, ProviderRejected> =>
  WireRequest.form({
    url: server.token_endpoint!,
    parameters: { ...parameters, grant_type: grant },
    server,
    headers: vendor.headers,
    client,
    clientAuth
  }).pipe(Effect.mapError(({ detail }) => rejected(tenant, detail)))

/**
 * What such a grant asks with stays what a person brought. A server that gives a refresh token, which RFC 6749 section
 * 4.4.3 advises against, gives one too many, and an id token of its own is not the one that speaks for the person.
 */
const accessAlone = (answer: RedeemAnswer): RedeemAnswer =>
  answer._tag === "Granted"
    ? RedeemAnswer.Granted({
      grant: TokenGrant.make({ ...answer.grant, refreshToken: Option.none(), idToken: Option.none() })
    })
    : answer

const sendWith = (
  { credential, roundTripper, vendor }: AuthorizationServer.Subject,
  request: WireRequest.WireRequest,
  sent: ReadonlyArray<Redacted.Redacted>,
  limit: Duration.DurationInput
): Effect.Effect<RedeemAnswer> =>
  Effect.flatMap(
    WireExchange.send(roundTripper, request, limit),
    (exchange) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        ResourceIndicator.judging(credential, exchange)(
          accessAlone(AnswerDecoder.decode(exchange, { vendor, now, sent }))
        ))
  )

/** The identity provider is asked for an assertion, and then this server for a token. */
const throughProvider = (
  subject: AuthorizationServer.Subject,
  server: Server,
  sent: ReadonlyArray<Redacted.Redacted>
) =>
  Effect.gen(function*() {
    const { credential, tenant } = subject
    const named = Option.all([credential.subjectTokenEndpoint, credential.subjectClientId, credential.idToken])
    if (Option.isNone(named)) return yield* rejected(tenant, "the identity provider is not known")
    const [endpoint, client_id, idToken] = named.value
    const url = yield* Effect.mapError(
      EndpointUrl.parse(endpoint, "the token endpoint of the identity provider"),
      (detail) => rejected(tenant, detail)
    )
    const provider: Server = {
      server: { issuer: url.origin, token_endpoint: url.href },
      client: { client_id },
      clientAuth: ClientAuth.none,
      clientSecret: Option.none(),
      insecure: EndpointUrl.isLoopback(url)
    }
    const request = yield* build(subject, provider, TOKEN_EXCHANGE, {
      ...parametersOf(credential),
      subject_token: Redacted.value(idToken),
      subject_token_type: ID_TOKEN,
      requested_token_type: ID_JAG,
      audience: server.server.issuer
    })
    return (limit: Duration.Duration) =>
      Effect.gen(function*() {
        const began = yield* Clock.currentTimeNanos
        const asserted = yield* sendWith(subject, request, sent, limit)
        if (asserted._tag !== "Granted") return asserted
        const assertion = asserted.grant.accessToken
        const own = yield* Effect.either(
          build(subject, server, JWT_BEARER, {
            assertion: Redacted.value(assertion),
            ...Option.match(credential.scope, { onNone: () => ({}), onSome: (scope) => ({ scope }) })
          })
        )
        return own._tag === "Left"
          ? RedeemAnswer.NeverSent({ detail: own.left.detail ?? "the request could not be made" })
          : yield* sendWith(
            subject,
            own.right,
            [...sent, assertion],
            Duration.subtract(limit, Duration.nanos((yield* Clock.currentTimeNanos) - began))
          )
      })
  })

/**
 * Prepares one grant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const prepare = (
  subject: AuthorizationServer.Subject,
  server: Server
): Effect.Effect<PreparedRedemption, ProviderRejected> =>
  Effect.gen(function*() {
    const { credential, tenant } = subject
    const sent = [credential.accessToken, credential.idToken, server.clientSecret].flatMap(Option.toArray)
    switch (Option.getOrNull(credential.grant)) {
      case CLIENT_CREDENTIALS: {
        const request = yield* build(subject, server, CLIENT_CREDENTIALS, parametersOf(credential))
        return { redeem: (limit) => sendWith(subject, request, sent, limit) }
      }
      case JWT_BEARER:
        return { redeem: yield* throughProvider(subject, server, sent) }
      default:
        return yield* rejected(tenant, "the record names a grant that is not known here")
    }
  })
