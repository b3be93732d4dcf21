/**
 * What a request with a token can fail with, beside the request itself. `message` is what happened, `advice` what to do;
 * neither ever holds a secret.
 *
 * @since 0.1.0
 */
import type { RefreshError } from "@lockstep/core/Errors"
import * as Schema from "effect/Schema"
import * as Scopes from "./internal/scopes.js"

const seconds = (millis: number): string => `${Math.max(1, Math.ceil(millis / 1000))} s`

const REFUSED_REASONS = {
  OtherOrigin: "is not bound to that origin",
  PlainHttp: "is sent over plain http to this machine only",
  Unbound: "is bound to no origin",
  AuthorizationPresent: "is not put over the Authorization header that the request has already",
  TokenType: "is of a type that a bearer header cannot carry",
  TokenSyntax: "has characters that no header field can carry"
} as const

const REFUSED_ADVICE = {
  OtherOrigin: "name the origin in `origins` if the token was issued for it, or send the request without this client",
  PlainHttp: "use https",
  Unbound: "name the origins in `origins`",
  AuthorizationPresent: "leave the header to this client, or send the request without it",
  TokenType: "use a client that can prove possession of the token's key",
  TokenSyntax: "report it to the operator of the authorization server; a new login gets another token"
} as const

/**
 * The request was not sent, because the token must not go where it would: fix the request or the options.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestRefused extends Schema.TaggedError<RequestRefused>()("RequestRefused", {
  tenant: Schema.String,
  reason: Schema.Literal("OtherOrigin", "PlainHttp", "Unbound", "AuthorizationPresent", "TokenType", "TokenSyntax"),
  /** Where the request would have gone: an origin, never a path. */
  origin: Schema.String,
  /** The origins that the token may go to, and the like. */
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `a request to ${this.origin} was not sent: the token of ${this.tenant} ${REFUSED_REASONS[this.reason]}${
      this.detail === undefined ? "" : ` (${this.detail})`
    }`
  }
  get advice(): string {
    return REFUSED_ADVICE[this.reason]
  }
}

/**
 * The token was rejected and there is a new one, but the body of the request was used up: make the request anew.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestNotReplayed extends Schema.TaggedError<RequestNotReplayed>()("RequestNotReplayed", {
  tenant: Schema.String,
  method: Schema.String,
  origin: Schema.String
}) {
  override get message(): string {
    return `${this.origin} rejected the token of ${this.tenant}; there is a new one, but the body of the ${this.method} was a stream and is used up`
  }
  get advice(): string {
    return "make the request again with a new body: it is sent with the new token"
  }
}

/**
 * The resource wants a scope that the token does not have: log in again, asking for more.
 *
 * @since 0.1.0
 * @category errors
 */
export class InsufficientScope extends Schema.TaggedError<InsufficientScope>()("InsufficientScope", {
  tenant: Schema.String,
  origin: Schema.String,
  /** What the challenge asks for, where it says; a list with spaces between. */
  required: Schema.optional(Schema.String),
  /** What the token has, where it is known; a list with spaces between. */
  granted: Schema.optional(Schema.String),
  /** RFC 9728: where the resource describes itself. */
  resourceMetadata: Schema.optional(Schema.String)
}) {
  /** What to ask for: what is granted now and what is required, in one. */
  get scope(): ReadonlyArray<string> {
    return Scopes.union(this.granted, this.required)
  }
  override get message(): string {
    const required = Scopes.parse(this.required)
    return `${this.origin} wants more scope than the token of ${this.tenant} has${
      required.length === 0 ? "" : `: ${required.join(" ")}`
    }`
  }
  get advice(): string {
    return this.scope.length === 0
      ? "log in again and ask for more scope"
      : `log in again and ask for this scope: ${this.scope.join(" ")}`
  }
}

/**
 * The head of the response did not come in time, refreshing not counted. Whether the request was acted on is unknown.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseTimeout extends Schema.TaggedError<ResponseTimeout>()("ResponseTimeout", {
  tenant: Schema.String,
  method: Schema.String,
  origin: Schema.String,
  /** Milliseconds. */
  waited: Schema.Number
}) {
  override get message(): string {
    return `${this.origin} did not answer a ${this.method} of ${this.tenant} within ${seconds(this.waited)}`
  }
  get advice(): string {
    return "try again if sending it twice does no harm"
  }
}

/**
 * Everything that attaching a token can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type BearerError = RefreshError | RequestRefused | RequestNotReplayed | InsufficientScope | ResponseTimeout
