/**
 * What the proxy answers in its own name: problem details (RFC 9457), with advice and without a secret.
 *
 * A 401 is never among them. The client has no credential that it could renew, and one that speaks MCP would begin a login
 * of its own.
 *
 * @since 0.1.0
 */
import * as ErrorCode from "@lockstep/core/ErrorCode"
import type { RefreshError } from "@lockstep/core/Errors"
import type * as TokenSyntax from "@lockstep/core/TokenSyntax"
import * as Data from "effect/Data"

/**
 * An answer in the proxy's own name.
 *
 * @since 0.1.0
 * @category models
 */
export class ProxyProblem extends Data.TaggedError("ProxyProblem")<{
  readonly status: number
  /** The last part of the problem's type: `urn:lockstep:problem:KIND`. */
  readonly kind: string
  readonly title: string
  readonly detail: string
  readonly advice: string
  /** Milliseconds after which the same request may do better. */
  readonly retryAfter?: number
  /** Further members. Never a secret. */
  readonly members?: Readonly<Record<string, string | number>>
  readonly headers?: Readonly<Record<string, string>>
}> {}

const seconds = (millis: number): number => Math.max(1, Math.ceil(millis / 1000))

/**
 * The header fields of an answer, without those of its framing.
 *
 * @since 0.1.0
 * @category getters
 */
export const headers = (problem: ProxyProblem): Readonly<Record<string, string>> => ({
  "Content-Type": "application/problem+json",
  "Cache-Control": "no-store",
  ...(problem.retryAfter === undefined ? {} : { "Retry-After": String(seconds(problem.retryAfter)) }),
  ...problem.headers
})

/**
 * The body of an answer.
 *
 * @since 0.1.0
 * @category rendering
 */
export const toJson = (problem: ProxyProblem): unknown => ({
  type: `urn:lockstep:problem:${problem.kind}`,
  title: problem.title,
  status: problem.status,
  detail: problem.detail,
  advice: problem.advice,
  ...(problem.retryAfter === undefined ? {} : { retry_after: seconds(problem.retryAfter) }),
  ...problem.members
})

/** How long another process may take for what it is doing: clients come back after that. Milliseconds. */
const SHORTLY = 1_000

const KINDS = {
  ReauthorizationRequired: { status: 502, kind: "login-required", title: "A person must log in" },
  LockTimeout: { status: 503, kind: "lock-timeout", title: "Another process is refreshing", retryAfter: SHORTLY },
  LockUnavailable: { status: 500, kind: "lock-unavailable", title: "The login cannot be locked" },
  ProviderTimeout: {
    status: 504,
    kind: "provider-timeout",
    title: "The authorization server takes long",
    retryAfter: SHORTLY
  },
  ProviderUnavailable: { status: 503, kind: "provider-unavailable", title: "The authorization server is unavailable" },
  ProviderRejected: { status: 502, kind: "provider-rejected", title: "The authorization server refuses" },
  CredentialStoreError: { status: 500, kind: "store", title: "The store of logins fails" },
  RotationNotPersisted: { status: 500, kind: "not-persisted", title: "New tokens could not be stored" }
} as const satisfies Record<RefreshError["_tag"], {
  readonly status: number
  readonly kind: string
  readonly title: string
  readonly retryAfter?: number
}>

/**
 * The answer to a request for which there is no token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRefreshError = (error: RefreshError, advice: string = error.advice): ProxyProblem =>
  new ProxyProblem({
    ...KINDS[error._tag],
    detail: error.message,
    advice,
    ...(error._tag === "ProviderUnavailable" ? { retryAfter: error.retryAfter } : {}),
    members: { _tag: error._tag, ...("reason" in error ? { reason: error.reason } : {}) }
  })

/**
 * The answer where the login is, by now, one for another origin.
 *
 * @since 0.1.0
 * @category constructors
 */
export const otherOrigin = (tenant: string): ProxyProblem =>
  new ProxyProblem({
    status: 502,
    kind: "other-origin",
    title: "The login is for another origin",
    detail: `the login of ${tenant} is bound to another origin than the one that this proxy leads to`,
    advice: "start the proxy again with --to below the resource of the login, or log in for this one"
  })

/**
 * The answer where the upstream refuses tokens that are fresh from the authorization server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tokenRejected = (tenant: string, challenge: string | undefined): ProxyProblem =>
  new ProxyProblem({
    status: 502,
    kind: "token-rejected",
    title: "The upstream rejects fresh tokens",
    detail: `the upstream answered 401 to a token of ${tenant} that was renewed for this request`,
    advice: "check audience, scope and account of the login; the request was not sent a third time",
    members: { upstream_status: 401 },
    ...(challenge === undefined ? {} : { headers: { "Lockstep-WWW-Authenticate": challenge } })
  })

/**
 * The answer where the token was renewed and the request could not be repeated.
 *
 * @since 0.1.0
 * @category constructors
 */
export const notReplayed = (tenant: string, limit: number): ProxyProblem =>
  new ProxyProblem({
    status: 503,
    kind: "not-replayed",
    title: "Send the request again",
    detail: `the upstream answered 401 to the token of ${tenant}, which is renewed; ` +
      `the body, of more than ${limit} bytes, was not kept and so not sent again`,
    advice: "send the same request again: the upstream did not act on it",
    retryAfter: 0,
    members: { upstream_status: 401 }
  })

/**
 * The answer where the authorization server issued what no header field can carry.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tokenMalformed = (tenant: string, fault: TokenSyntax.Fault): ProxyProblem =>
  new ProxyProblem({
    status: 502,
    kind: "token-malformed",
    title: "The token cannot be sent",
    detail: `the ${fault} of ${tenant} has characters that no header field can carry; it was not sent`,
    advice: "report it to the operator of the authorization server; a new login gets another token"
  })

/**
 * The answer where the fault is ours.
 *
 * @since 0.1.0
 * @category constants
 */
export const UNEXPECTED = new ProxyProblem({
  status: 500,
  kind: "unexpected",
  title: "Something unexpected happened",
  detail: "the proxy has a defect",
  advice: "run `lockstep doctor`; if it finds nothing, report this"
})

const LATE = [504, "upstream-timeout", "The upstream takes too long"] as const
const UNWRITABLE = [400, "bad-request", "The request cannot be passed on"] as const

const UPSTREAM = {
  HEADERS_TIMEOUT: LATE,
  CONNECT_TIMEOUT: LATE,
  ERR_INVALID_CHAR: UNWRITABLE,
  ERR_INVALID_HTTP_TOKEN: UNWRITABLE,
  ERR_UNESCAPED_CHARACTERS: UNWRITABLE
} as const

const codeOf = (cause: unknown): string => ErrorCode.of(cause) ?? "unknown"

/**
 * The answer where the upstream gave none. Only the code of the cause is told: its words may quote what was sent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUpstream = (cause: unknown): ProxyProblem => {
  const code = codeOf(cause)
  const [status, kind, title] = Object.hasOwn(UPSTREAM, code)
    ? UPSTREAM[code as keyof typeof UPSTREAM]
    : [502, "upstream-unreachable", "The upstream did not answer"] as const
  return new ProxyProblem({
    status,
    kind,
    title,
    detail: `the upstream gave no answer (${code})`,
    advice: status === 400
      ? "check method, path and header fields of the request"
      : "check the address and the network; whether the upstream acted on the request is not known",
    members: { code }
  })
}
