/**
 * Sends what a {@link DeviceGrant} says and reads what it makes of the answers. When to send it is the caller's business.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { ProviderRejected } from "@lockstep/core/Errors"
import { PendingLogin } from "@lockstep/core/PendingLogins"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import * as AuthorizationResponse from "./AuthorizationResponse.js"
import type { Attempt } from "./AuthorizationResponse.js"
import * as CodeExchange from "./CodeExchange.js"
import { DevicePoll } from "./DeviceGrant.js"
import type { DeviceAuthorization, DeviceContext, DeviceGrant, DeviceRequest } from "./DeviceGrant.js"
import * as EndpointUrl from "./EndpointUrl.js"
import type { Invitation } from "./Login.js"
import type { LoginClient } from "./LoginClient.js"
import type { LoginError } from "./LoginError.js"
import { LoginFailed } from "./LoginError.js"
import type { Wire } from "./LoginGrant.js"
import * as LoginGrant from "./LoginGrant.js"
import type { LoginTarget } from "./LoginTarget.js"
import * as LoginTargets from "./LoginTarget.js"
import * as OAuthVendor from "./OAuthVendor.js"
import * as ResourceIndicator from "./ResourceIndicator.js"
import type { WireExchange } from "./WireExchange.js"
import * as WireRequest from "./WireRequest.js"

/**
 * The person has not agreed yet. Nothing was spent. `interval`: polls come too fast, and how many seconds they should be
 * apart, where the server says.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotYet extends Data.TaggedError("NotYet")<{
  readonly slowDown: boolean
  readonly interval: Option.Option<number>
}> {}

const grantOf = (vendor: OAuthVendor.OAuthVendor): Effect.Effect<DeviceGrant> =>
  Effect.orDieWith(vendor.device, () => new Error(`${vendor.id} has no device grant`))

const build = (
  wire: Wire,
  attempt: Attempt,
  request: DeviceRequest
): Effect.Effect<WireRequest.WireRequest, LoginError> =>
  Effect.gen(function*() {
    const { login, tenant, vendor } = attempt
    const rejected = (detail: string) => new ProviderRejected({ tenant, reason: "Protocol", detail })
    const url = yield* Effect.mapError(
      EndpointUrl.published(request.url, "an address of the device grant", login.issuer),
      rejected
    )
    if (!request.authenticated) {
      return WireRequest.encode(
        new WireRequest.WireRequest({
          url: url.href,
          method: "POST",
          headers: Redacted.make({
            ...vendor.headers,
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded;charset=UTF-8"
          }),
          body: Redacted.make(new URLSearchParams(request.parameters).toString())
        }),
        request.encoding,
        vendor.spelling
      )
    }
    const { client, clientAuth, server } = yield* CodeExchange.tokenEndpoint(wire, attempt)
    return yield* WireRequest.capture((customFetch) =>
      OAuth.deviceAuthorizationRequest(
        { issuer: server.issuer, device_authorization_endpoint: url.href },
        client,
        clientAuth,
        { ...request.parameters },
        {
          headers: { ...vendor.headers },
          [OAuth.customFetch]: customFetch,
          [OAuth.allowInsecureRequests]: EndpointUrl.isLoopback(url)
        }
      )
    ).pipe(
      Effect.mapBoth({
        onFailure: ({ detail }) => rejected(detail),
        onSuccess: (built) => WireRequest.encode(built, request.encoding, vendor.spelling)
      })
    )
  })

/** Shown in a terminal and opened in a browser: neither may be talked to by a server's answer. */
const presentable = (
  authorization: DeviceAuthorization,
  issuer: Option.Option<string>
): Option.Option<DeviceAuthorization> => {
  const address = (text: string) =>
    Option.map(Either.getRight(EndpointUrl.published(text, "", issuer)), (url) => url.href)
  return Option.gen(function*() {
    const verificationUri = yield* address(authorization.verificationUri)
    const userCode = yield* Option.liftPredicate((text: string) => /^[\x20-\x7e]{1,64}$/.test(text))(
      authorization.userCode
    )
    return {
      ...authorization,
      userCode,
      verificationUri,
      verificationUriComplete: Option.flatMap(authorization.verificationUriComplete, address)
    }
  })
}

/**
 * Starts a device grant. `lifetime` bounds what the server says about the end.
 *
 * @since 0.1.0
 * @category combinators
 */
export const start = (
  wire: Wire,
  target: LoginTarget,
  client: LoginClient,
  lifetime: Option.Option<Duration.Duration>
): Effect.Effect<PendingLogin, LoginError> =>
  Effect.gen(function*() {
    const { request } = target
    const { tenant, vendor } = request
    const grant = yield* grantOf(vendor)
    const draft = PendingLogin.make({ ...LoginTargets.attemptOf(target, Option.some(client)), method: "device" })
    const attempt: Attempt = { tenant, vendor, login: draft }
    const context: DeviceContext = {
      deviceAuthorizationEndpoint: Option.getOrElse(target.endpoints.deviceAuthorizationEndpoint, () => ""),
      tokenEndpoint: Option.getOrElse(target.endpoints.tokenEndpoint, () => ""),
      scope: target.scope,
      resource: ResourceIndicator.sent(draft)
    }
    const wireRequest = yield* build(wire, attempt, grant.start(context))
    const exchange = yield* LoginGrant.send(wire, tenant, wireRequest)
    if (exchange._tag === "Answered" && exchange.answer.status === 404) {
      return yield* LoginTargets.notOffered(request, `the server of ${vendor.name} has not turned its device login on`)
    }
    const started = exchange._tag === "Answered" && exchange.answer.status >= 200 && exchange.answer.status <= 299
      ? Option.flatMap(
        grant.started(LoginGrant.membersOf(vendor, exchange.answer), context),
        (authorization) => presentable(authorization, target.issuer)
      )
      : Option.none()
    if (Option.isNone(started)) {
      yield* LoginGrant.read(attempt, exchange, Option.toArray(client.secret))
      return yield* new ProviderRejected({
        tenant,
        reason: "Protocol",
        detail: "tokens came before they were asked for"
      })
    }
    const now = yield* Clock.currentTimeMillis
    const { deviceCode, expiresIn, interval, userCode, verificationUri, verificationUriComplete } = started.value
    const seconds = Math.min(expiresIn, ...Option.toArray(Option.map(lifetime, Duration.toSeconds)))
    return PendingLogin.make({
      ...draft,
      deviceCode: Option.some(deviceCode),
      userCode: Option.some(userCode),
      verificationUri: Option.some(verificationUri),
      verificationUriComplete,
      interval: Option.some(interval),
      expiresAt: Option.some(now / 1_000 + seconds),
      createdAt: now / 1_000
    })
  }).pipe(Effect.withSpan("lockstep.login.device.start", {
    attributes: { tenant: target.request.tenant, vendor: target.request.vendor.id }
  }))

/**
 * Reads what a person is shown of a device grant.
 *
 * @since 0.1.0
 * @category getters
 */
export const invitationOf = (login: PendingLogin): Invitation => ({
  _tag: "Device",
  verificationUri: Option.getOrElse(login.verificationUri, () => ""),
  verificationUriComplete: login.verificationUriComplete,
  userCode: Option.getOrElse(login.userCode, () => ""),
  expiresAt: Math.round(Option.getOrElse(login.expiresAt, () => login.createdAt) * 1_000),
  interval: Math.ceil(Option.getOrElse(login.interval, () => 0) * 1_000)
})

/** A device code that the server no longer knows has ended, whatever the server calls it. */
const overdue = (error: LoginError): LoginError =>
  error._tag === "LoginFailed" && error.reason === "CodeRefused"
    ? new LoginFailed({ tenant: error.tenant, reason: "Expired", detail: error.detail })
    : error

/**
 * Asks once. Prepares everything first; the effect that comes back sends the poll, which a server may answer with the
 * grant, once.
 *
 * @since 0.1.0
 * @category combinators
 */
export const poll = (
  wire: Wire,
  attempt: Attempt
): Effect.Effect<Effect.Effect<Credential, LoginError | NotYet>, LoginError> =>
  Effect.gen(function*() {
    const { login, tenant, vendor } = attempt
    const grant = yield* grantOf(vendor)
    const deviceCode = Option.getOrElse(login.deviceCode, () => Redacted.make(""))
    const userCode = Option.getOrElse(login.userCode, () => "")
    const tokenEndpoint = Option.getOrElse(login.tokenEndpoint, () => "")
    const context: DeviceContext = {
      deviceAuthorizationEndpoint: Option.getOrElse(
        OAuthVendor.endpointsAt(vendor, login.issuer).deviceAuthorizationEndpoint,
        () => tokenEndpoint
      ),
      tokenEndpoint,
      scope: login.scope,
      resource: ResourceIndicator.sent(login)
    }
    const request = yield* build(wire, attempt, grant.poll({ deviceCode, userCode }, context))
    const sent = [deviceCode, Redacted.make(userCode), ...Option.toArray(login.clientSecret)]

    const granted = (exchange: WireExchange) =>
      Effect.flatMap(
        Effect.mapError(LoginGrant.read(attempt, exchange, sent), overdue),
        (tokens) => LoginGrant.settle(wire, attempt, tokens)
      )

    return Effect.gen(function*() {
      const exchange = yield* LoginGrant.send(wire, tenant, request)
      if (exchange._tag !== "Answered") return yield* granted(exchange)
      const said = grant.polled(exchange.answer.status, LoginGrant.membersOf(vendor, exchange.answer), context)
      return yield* DevicePoll.$match(said, {
        Pending: () => new NotYet({ slowDown: false, interval: Option.none() }),
        SlowDown: ({ interval }) => new NotYet({ slowDown: true, interval }),
        Denied: () => new LoginFailed({ tenant, reason: "Denied" }),
        Expired: () => new LoginFailed({ tenant, reason: "Expired" }),
        Granted: () => granted(exchange),
        Other: () => granted(exchange),
        Code: ({ code, codeVerifier, redirectUri }) =>
          Effect.flatten(CodeExchange.prepare(wire, attempt, {
            parameters: AuthorizationResponse.trusted(code),
            redirectUri,
            codeVerifier
          }))
      })
    }).pipe(Effect.withSpan("lockstep.login.device.ask", { attributes: { tenant, vendor: vendor.id } }))
  })
