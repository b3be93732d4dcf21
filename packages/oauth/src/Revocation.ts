/**
 * Token revocation, RFC 7009 and its JSON variant.
 *
 * @since 0.1.0
 */
import { RevokeAnswer } from "@lockstep/core/TokenEndpoint"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AnswerDecoder from "./AnswerDecoder.js"
import * as AnswerMembers from "./AnswerMembers.js"
import * as AuthorizationServer from "./AuthorizationServer.js"
import * as OAuthError from "./OAuthError.js"
import type { RevocationStyle } from "./OAuthVendor.js"
import * as WireExchange from "./WireExchange.js"
import * as WireRequest from "./WireRequest.js"

type TokenKind = "refresh_token" | "access_token"

interface Target {
  readonly kind: TokenKind
  readonly token: Redacted.Redacted
}

/** How long one answer is waited for. The caller of a revocation has a bound of its own, for all of it. */
const TIMEOUT = Duration.seconds(10)

/** What went wrong, if anything did. */
const revokeOne = (
  subject: AuthorizationServer.Subject,
  server: AuthorizationServer.AuthorizationServer,
  style: RevocationStyle,
  { kind, token }: Target
): Effect.Effect<Option.Option<string>> =>
  Effect.gen(function*() {
    const namesClient = style.clientIdWith.includes(kind)
    const built = yield* Effect.either(WireRequest.form({
      url: server.server.revocation_endpoint!,
      server: server.server,
      parameters: { token_type_hint: kind, token: Redacted.value(token) },
      headers: subject.vendor.headers,
      client: server.client,
      clientAuth: namesClient ? server.clientAuth : () => undefined
    }))
    if (Either.isLeft(built)) return Option.some(built.left.detail)
    const request = WireRequest.encode(built.right, style.encoding, subject.vendor.spelling)
    const exchange = yield* WireExchange.send(subject.roundTripper, request, TIMEOUT)
    if (exchange._tag !== "Answered") return Option.some(exchange.detail)
    const { answer } = exchange
    if (answer.status >= 200 && answer.status <= 299) return Option.none()
    const codes = Option.toArray(AnswerMembers.read(answer)).flatMap(OAuthError.codes)
    // RFC 7009, section 2.2: a token that is invalid already is what was asked for. Google calls it an error, which an
    // access token runs into as soon as its refresh token is revoked.
    if (codes.includes("invalid_token")) return Option.none()
    // RFC 7009, section 2.2.1: a server need not revoke access tokens; they end by themselves.
    if (kind === "access_token" && codes.includes("unsupported_token_type")) return Option.none()
    return Option.some(AnswerDecoder.describe(answer, [token, ...Option.toArray(server.clientSecret)]))
  })

/**
 * Asks the server to revoke both tokens, the refresh token first, since that ends what could make new ones. Never fails.
 *
 * @since 0.1.0
 * @category combinators
 */
export const revoke = (subject: AuthorizationServer.Subject): Effect.Effect<RevokeAnswer> =>
  Effect.gen(function*() {
    const style = subject.vendor.revocation
    if (Option.isNone(style)) return RevokeAnswer.Unsupported()
    const server = yield* AuthorizationServer.resolve(subject, "revocation_endpoint")
    if (Option.isNone(server)) return RevokeAnswer.Unsupported()

    const { accessToken, refreshToken } = subject.credential
    const targets: ReadonlyArray<Target> = [
      ...Option.toArray(Option.map(refreshToken, (token) => ({ kind: "refresh_token" as const, token }))),
      ...Option.toArray(Option.map(accessToken, (token) => ({ kind: "access_token" as const, token })))
    ]
    const failures = yield* Effect.forEach(
      targets,
      (target) =>
        Effect.map(
          revokeOne(subject, server.value, style.value, target),
          Option.map((detail) => `${target.kind}: ${detail}`)
        )
    )
    const details = failures.flatMap(Option.toArray)
    return details.length === 0 ? RevokeAnswer.Revoked() : RevokeAnswer.Failed({ detail: details.join("; ") })
  }).pipe(
    Effect.catchAll((error) => Effect.succeed(RevokeAnswer.Failed({ detail: error.detail ?? error.reason }))),
    Effect.withSpan("lockstep.oauth.revoke")
  )
