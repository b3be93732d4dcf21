/**
 * What a login's answer becomes: the record that is stored, or the error that a person can act on.
 *
 * @since 0.1.0
 */
import { Credential } from "@lockstep/core/Credential"
import { ProviderRejected, ProviderTimeout, ProviderUnavailable } from "@lockstep/core/Errors"
import type { RoundTripper } from "@lockstep/core/RoundTrip"
import type { TenantId } from "@lockstep/core/TenantId"
import type { RedeemAnswer, TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import type { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import * as AnswerDecoder from "./AnswerDecoder.js"
import * as AnswerMembers from "./AnswerMembers.js"
import type { Attempt } from "./AuthorizationResponse.js"
import * as ClientGrant from "./ClientGrant.js"
import type { ClientIds } from "./ClientIds.js"
import type { ClientSecrets } from "./ClientSecrets.js"
import type { Discovery } from "./Discovery.js"
import * as EndpointUrl from "./EndpointUrl.js"
import * as JsonObject from "./JsonObject.js"
import * as JsonWebToken from "./JsonWebToken.js"
import type { LoginRequest } from "./Login.js"
import type { LoginError } from "./LoginError.js"
import { LoginFailed } from "./LoginError.js"
import * as LoginTarget from "./LoginTarget.js"
import * as OAuthVendor from "./OAuthVendor.js"
import * as ResourceIndicator from "./ResourceIndicator.js"
import * as Spelling from "./Spelling.js"
import * as WireExchange from "./WireExchange.js"
import * as WireRequest from "./WireRequest.js"

/**
 * How requests of a login are sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wire {
  readonly roundTripper: RoundTripper
  readonly discovery: Discovery
  readonly clientIds: ClientIds
  readonly clientSecrets: ClientSecrets
  readonly endpoint: TokenEndpoint["Type"]
  /** Bound of one request. */
  readonly timeout: Duration.Duration
}

/** A name beside the tokens is worth no longer wait: the tenant's lock is held, and nothing is stored yet. */
const ACCOUNT_TIMEOUT = Duration.seconds(3)

/** What is waited where the server names no time. Milliseconds. */
const PAUSE = 1_000

/**
 * Sends one request of a login, bounded.
 *
 * @since 0.1.0
 * @category combinators
 */
export const send = (
  { roundTripper, timeout }: Wire,
  tenant: TenantId,
  request: WireRequest.WireRequest
): Effect.Effect<WireExchange.WireExchange, ProviderTimeout> =>
  Effect.filterOrFail(
    WireExchange.send(roundTripper, request, timeout),
    ({ _tag }) => _tag !== "Silent",
    () => new ProviderTimeout({ tenant, reason: "NoAnswer", waited: Duration.toMillis(timeout) })
  )

/**
 * Reads an answer's members in the spelling of RFC 6749; anything but an object has no members.
 *
 * @since 0.1.0
 * @category getters
 */
export const membersOf = (vendor: OAuthVendor.OAuthVendor, answer: WireExchange.WireAnswer): JsonObject.JsonObject =>
  Spelling.fromWire(vendor.spelling, Option.getOrElse(AnswerMembers.read(answer), () => ({})))

/** What was sent is spent, or was refused; it is not repeated unasked. */
const failure = (
  tenant: TenantId,
  answer: Exclude<RedeemAnswer, { readonly _tag: "Granted" }>
): LoginError => {
  const { detail } = answer
  switch (answer._tag) {
    case "Terminal":
      return new LoginFailed({ tenant, reason: "CodeRefused", detail })
    case "Rejected":
      return new ProviderRejected({ tenant, reason: answer.reason, detail })
    case "RateLimited":
    case "ServerError":
      return new ProviderUnavailable({
        tenant,
        reason: answer._tag,
        retryAfter: Option.getOrElse(answer.retryAfter, () => PAUSE),
        detail
      })
    case "NeverSent":
      return new ProviderUnavailable({
        tenant,
        reason: "Transport",
        retryAfter: PAUSE,
        detail,
        remedy: answer.remedy
      })
    case "Unknown":
      return answer.answered === true
        ? new ProviderRejected({ tenant, reason: "Protocol", detail })
        : new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: PAUSE, detail })
  }
}

/**
 * Reads the grant in what came of a login's request.
 *
 * @since 0.1.0
 * @category decoding
 */
export const read = (
  { login, tenant, vendor }: Attempt,
  exchange: WireExchange.WireExchange,
  sent: ReadonlyArray<Redacted.Redacted>
): Effect.Effect<TokenGrant, LoginError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const answer = ResourceIndicator.judging(login, exchange)(
      AnswerDecoder.decode(exchange, { vendor, now, sent })
    )
    return answer._tag === "Granted" ? Effect.succeed(answer.grant) : Effect.fail(failure(tenant, answer))
  })

/**
 * OpenID Connect Core section 3.1.3.7: an id token that names a nonce names this attempt's. One without is let pass,
 * since not every server repeats it, and PKCE has bound the code to this attempt already.
 */
const checkNonce = ({ login, tenant }: Attempt, grant: TokenGrant): Effect.Effect<void, ProviderRejected> => {
  const named = grant.idToken.pipe(
    Option.flatMap((token) => JsonWebToken.claims(Redacted.value(token))),
    Option.flatMap((claims) => JsonObject.text(claims, "nonce"))
  )
  const isOthers = Option.isSome(login.nonce) && Option.isSome(named) &&
    named.value !== Redacted.value(login.nonce.value)
  return isOthers
    ? new ProviderRejected({
      tenant,
      reason: "Protocol",
      detail: "the id token belongs to another attempt: its nonce differs"
    })
    : Effect.void
}

/** Best effort: a login without a name is a login. */
const askAccount = (wire: Wire, { tenant, vendor }: Attempt, record: Credential, token: Redacted.Redacted) =>
  Effect.gen(function*() {
    const address = yield* OAuthVendor.endpointsAt(vendor, record.issuer).accountEndpoint
    const url = yield* EndpointUrl.published(address, "the account endpoint", record.issuer)
    const request = yield* WireRequest.capture((customFetch) =>
      OAuth.protectedResourceRequest(
        Redacted.value(token),
        "GET",
        url,
        new Headers({ accept: "application/json", ...vendor.headers }),
        null,
        { [OAuth.customFetch]: customFetch, [OAuth.allowInsecureRequests]: EndpointUrl.isLoopback(url) }
      )
    )
    const exchange = yield* send({ ...wire, timeout: ACCOUNT_TIMEOUT }, tenant, request)
    return exchange._tag === "Answered" && exchange.answer.status === 200
      ? vendor.account(membersOf(vendor, exchange.answer))
      : Option.none()
  }).pipe(Effect.orElseSucceed(Option.none))

const recordWith = (record: Credential, grant: TokenGrant, now: number): Credential =>
  Credential.make({
    ...record,
    accessToken: Option.some(grant.accessToken),
    refreshToken: grant.refreshToken,
    idToken: grant.idToken,
    tokenType: grant.tokenType,
    // RFC 6749 section 5.1: what is left out is as it was asked for.
    scope: Option.orElse(grant.scope, () => record.scope),
    expiresAt: grant.expiresAt,
    obtainedAt: Option.some(Math.floor(now / 1_000)),
    loginExpiresAt: grant.loginExpiresAt,
    account: grant.account
  })

/**
 * Trades the login's own token for an access token, so that a person whom the vendor gives none learns it now. Where only
 * the moment is wrong, the login is kept all the same: the first refresh gets the access token.
 */
const renewed = (
  { endpoint, timeout }: Wire,
  { tenant }: Attempt,
  record: Credential
): Effect.Effect<Credential, LoginError> =>
  Effect.gen(function*() {
    const own: Credential = Credential.make({
      ...record,
      accessToken: Option.none(),
      refreshToken: record.accessToken,
      expiresAt: Option.none()
    })
    const prepared = yield* Effect.option(endpoint.prepare(tenant, own))
    if (Option.isNone(prepared)) return own
    const answer = yield* prepared.value.redeem(timeout)
    switch (answer._tag) {
      case "Granted":
        return Credential.make({
          ...own,
          accessToken: Option.some(answer.grant.accessToken),
          expiresAt: answer.grant.expiresAt,
          obtainedAt: Option.some(Math.floor((yield* Clock.currentTimeMillis) / 1_000))
        })
      case "Rejected":
        return yield* new ProviderRejected({ tenant, reason: answer.reason, detail: answer.detail })
      case "Terminal":
        return yield* new ProviderRejected({ tenant, reason: "Entitlement", detail: answer.detail })
      default:
        return own
    }
  })

/**
 * Makes the record of a granted login.
 *
 * @since 0.1.0
 * @category constructors
 */
export const settle = (wire: Wire, attempt: Attempt, grant: TokenGrant): Effect.Effect<Credential, LoginError> =>
  Effect.gen(function*() {
    yield* checkNonce(attempt, grant)
    const now = yield* Clock.currentTimeMillis
    const first = recordWith(LoginTarget.recordOf(attempt.login), grant, now)
    const record = attempt.vendor.renewal === "bearer" ? yield* renewed(wire, attempt, first) : first
    return Option.isSome(record.account)
      ? record
      : Credential.make({ ...record, account: yield* askAccount(wire, attempt, record, grant.accessToken) })
  })

const grantOf = ({ clientGrant }: LoginRequest): Partial<ConstructorParameters<typeof Credential>[0]> =>
  clientGrant?._tag === "IdentityAssertion"
    ? {
      grant: Option.some(ClientGrant.JWT_BEARER),
      subjectTokenEndpoint: Option.some(clientGrant.tokenEndpoint),
      subjectClientId: Option.some(clientGrant.clientId),
      idToken: Option.some(clientGrant.idToken)
    }
    : { grant: Option.some(ClientGrant.CLIENT_CREDENTIALS) }

/**
 * Prepares the first grant of a login without a person: the same request with which every later refresh asks.
 *
 * @since 0.1.0
 * @category combinators
 */
export const prepareClient = (
  { endpoint, timeout }: Wire,
  { login, tenant }: Attempt,
  request: LoginRequest
): Effect.Effect<Effect.Effect<Credential, LoginError>, LoginError> =>
  Effect.gen(function*() {
    const record = Credential.make({ ...LoginTarget.recordOf(login), ...grantOf(request) })
    const { redeem } = yield* endpoint.prepare(tenant, record)
    return Effect.gen(function*() {
      const answer = yield* redeem(timeout)
      if (answer._tag === "Terminal") return yield* new LoginFailed({ tenant, reason: "Denied", detail: answer.detail })
      if (answer._tag !== "Granted") return yield* failure(tenant, answer)
      const now = yield* Clock.currentTimeMillis
      return Credential.make({
        ...recordWith(record, answer.grant, now),
        // What the record asks with stays what a person brought.
        idToken: record.idToken,
        refreshToken: Option.none()
      })
    })
  })
