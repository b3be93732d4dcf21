/**
 * The token endpoint of any OAuth 2.0 server, as the refresh transaction wants it: all that can fail without spending the
 * token comes first, the token is sent once, and the answer is kept whole until it is understood.
 *
 * @since 0.1.0
 */
import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import type * as RoundTrip from "@lockstep/core/RoundTrip"
import type { TenantId } from "@lockstep/core/TenantId"
import { RedeemAnswer, RevokeAnswer, TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import type { PreparedRedemption, RefreshTraits } from "@lockstep/core/TokenEndpoint"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AnswerDecoder from "./AnswerDecoder.js"
import * as AuthorizationServer from "./AuthorizationServer.js"
import * as ClientGrant from "./ClientGrant.js"
import * as ClientIds from "./ClientIds.js"
import * as ClientSecrets from "./ClientSecrets.js"
import * as Discovery from "./Discovery.js"
import type { OAuthVendor, Renewal } from "./OAuthVendor.js"
import * as ResourceIndicator from "./ResourceIndicator.js"
import * as Revocation from "./Revocation.js"
import { RoundTripper } from "./RoundTripper.js"
import * as VendorRegistry from "./VendorRegistry.js"
import * as VendorSettings from "./VendorSettings.js"
import * as WireExchange from "./WireExchange.js"
import * as WireRequest from "./WireRequest.js"

const traitsOf = (vendor: OAuthVendor, credential: Credential): RefreshTraits => {
  const server = Option.firstSomeOf([credential.issuer, vendor.issuer, credential.tokenEndpoint, vendor.tokenEndpoint])
  const client = Option.orElse(credential.clientId, () => vendor.clientId)
  return {
    rotates: vendor.rotates && !ClientGrant.isOne(credential),
    margin: Option.map(vendor.margin, Duration.toMillis),
    rotationGroup: vendor.siblingsRevoke
      ? Option.zipWith(server, client, (issuer, clientId) => `${issuer} ${clientId}`)
      : Option.none()
  }
}

const rejected = (tenant: TenantId, detail: string) => new ProviderRejected({ tenant, reason: "Protocol", detail })

type Build = (
  subject: AuthorizationServer.Subject,
  server: AuthorizationServer.AuthorizationServer,
  refreshToken: Redacted.Redacted
) => Effect.Effect<WireRequest.WireRequest, ProviderRejected>

const grantRequest: Build = ({ credential, tenant, vendor }, { client, clientAuth, server }, refreshToken) =>
  Effect.mapBoth(
    WireRequest.form({
      url: server.token_endpoint!,
      server,
      parameters: {
        ...vendor.refreshParameters,
        ...ResourceIndicator.parameters(credential),
        refresh_token: Redacted.value(refreshToken),
        grant_type: "refresh_token"
      },
      headers: vendor.headers,
      client,
      clientAuth
    }),
    {
      onFailure: ({ detail }) => rejected(tenant, detail),
      onSuccess: (request) => WireRequest.encode(request, vendor.refreshEncoding, vendor.spelling)
    }
  )

const bearerRequest: Build = ({ vendor }, { server }, refreshToken) =>
  Effect.succeed(
    new WireRequest.WireRequest({
      url: server.token_endpoint!,
      method: "GET",
      headers: Redacted.make({
        accept: "application/json",
        ...vendor.headers,
        authorization: `Bearer ${Redacted.value(refreshToken)}`
      }),
      body: Redacted.make(undefined)
    })
  )

const BUILDERS: Readonly<Record<Exclude<Renewal, "never">, Build>> = { grant: grantRequest, bearer: bearerRequest }

/** What a server of the plainest kind answers. */
const SAMPLE = WireExchange.WireExchange.Answered({
  answer: {
    status: 200,
    contentType: "application/json",
    retryAfter: null,
    retryAfterMs: null,
    date: null,
    body: Redacted.make(
      "{\"access_token\":\"a\",\"refresh_token\":\"r\",\"token_type\":\"Bearer\",\"expires_in\":1,\"scope\":\"s\"}"
    ),
    end: "Whole"
  }
})

const prepareRedemption = (
  subject: AuthorizationServer.Subject
): Effect.Effect<PreparedRedemption, ProviderUnavailable | ProviderRejected> =>
  Effect.gen(function*() {
    const { credential, roundTripper, tenant, vendor } = subject
    const { accessToken, idToken, refreshToken } = credential
    if (ClientGrant.isOne(credential)) {
      const server = yield* AuthorizationServer.resolve(subject, "token_endpoint")
      if (Option.isNone(server)) return yield* rejected(tenant, "no token endpoint is known")
      return yield* ClientGrant.prepare(subject, server.value)
    }
    if (vendor.renewal === "never") return yield* rejected(tenant, "this vendor's logins are not renewed")
    if (Option.isNone(refreshToken)) return yield* rejected(tenant, "there is no refresh token to send")
    const server = yield* AuthorizationServer.resolve(subject, "token_endpoint")
    if (Option.isNone(server)) return yield* rejected(tenant, "no token endpoint is known")
    const request = yield* BUILDERS[vendor.renewal](subject, server.value, refreshToken.value)
    const sent = [refreshToken, accessToken, idToken, server.value.clientSecret].flatMap(Option.toArray)
    const understood = (exchange: WireExchange.WireExchange) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        ResourceIndicator.judging(credential, exchange)(AnswerDecoder.decode(exchange, { vendor, now, sent })))
    // Rehearsed, because what runs for the first time is slow, and a death between the server's commit and the capture of
    // its answer costs the login.
    yield* understood(SAMPLE)
    return {
      redeem: (limit) =>
        Effect.flatMap(WireExchange.send(roundTripper, request, limit), understood)
    }
  })

/**
 * Everything that refreshing and revoking need.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements =
  | RoundTripper
  | VendorRegistry.VendorRegistry
  | VendorSettings.VendorSettings
  | ClientRegistrations.ClientRegistrations

/** How long it is found out whether a refused client registered itself. The answer waits, and the lock is held. */
const LOOK = Duration.seconds(1)

/** A client that registered itself and is refused is known no more: another login registers another. */
const ofRegistered =
  (registrations: ClientRegistrations.ClientRegistrations["Type"], { clientId, issuer }: Credential) =>
  (answer: RedeemAnswer): Effect.Effect<RedeemAnswer> => {
    if (answer._tag !== "Rejected" || answer.reason !== "InvalidClient" || Option.isNone(issuer)) {
      return Effect.succeed(answer)
    }
    return registrations.get(issuer.value).pipe(
      Effect.timeoutOption(LOOK),
      Effect.orElseSucceed(Option.none),
      Effect.map((found) =>
        Option.exists(Option.flatten(found), (client) => Option.contains(clientId, client.clientId))
          ? RedeemAnswer.Terminal({ reason: "RegistrationExpired", detail: answer.detail })
          : answer
      )
    )
  }

/**
 * Makes a token endpoint that speaks each record's vendor.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  TokenEndpoint["Type"],
  never,
  Requirements
> = Effect.gen(
  function*() {
    const network = yield* RoundTripper
    const vendors = yield* VendorRegistry.VendorRegistry
    const registrations = yield* ClientRegistrations.ClientRegistrations
    const discovery = yield* Discovery.make
    const clientIds = yield* ClientIds.make
    const clientSecrets = yield* ClientSecrets.make

    const subject = (tenant: TenantId, credential: Credential, roundTripper: RoundTrip.RoundTripper) => ({
      tenant,
      credential,
      vendor: vendors.of(credential),
      roundTripper,
      discovery,
      clientIds,
      clientSecrets
    })

    return TokenEndpoint.of({
      traits: (_, credential) => traitsOf(vendors.of(credential), credential),
      prepare: (tenant, credential) =>
        Effect.flatMap(
          Effect.mapError(
            network.load,
            ({ detail }) => new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 1_000, detail })
          ),
          (roundTripper) =>
            Effect.map(prepareRedemption(subject(tenant, credential, roundTripper)), ({ redeem }) => ({
              redeem: (limit) => Effect.flatMap(redeem(limit), ofRegistered(registrations, credential))
            }))
        ),
      revoke: (tenant, credential) =>
        Effect.matchEffect(network.load, {
          onFailure: ({ detail }) => Effect.succeed(RevokeAnswer.Failed({ detail })),
          onSuccess: (roundTripper) => Revocation.revoke(subject(tenant, credential, roundTripper))
        })
    })
  }
)

/**
 * The token endpoint of the vendors of a registry, with the client secrets of the settings.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  TokenEndpoint,
  never,
  Requirements
> = Layer.effect(TokenEndpoint, make)

/**
 * The token endpoint of the vendors of this package. Client secrets come from the environment alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBuiltIn: Layer.Layer<TokenEndpoint, never, RoundTripper> = Layer.provide(layer, [
  VendorRegistry.layerBuiltIn,
  VendorSettings.layerMemory,
  ClientRegistrations.layerMemory
])
