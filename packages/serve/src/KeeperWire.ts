/**
 * What goes over the wire between a keeper and its clients, as plain values: nothing is imported, so that a client that
 * asks before anything is loaded can use it.
 *
 * @since 0.1.0
 */

/**
 * The header field that every request has. A page in a browser cannot set it without being asked about it first, and a
 * server that was made to fetch an address cannot set it at all. Its value says who asks, for the audit.
 *
 * @since 0.1.0
 * @category constants
 */
export const CLIENT = "lockstep-client"

/**
 * The header field in which a client says which home it means: the percent-encoded real path of its directory.
 *
 * @since 0.1.0
 * @category constants
 */
export const HOME = "lockstep-home"

/**
 * The header field in which a client says which kind of store it was told.
 *
 * @since 0.1.0
 * @category constants
 */
export const STORE = "lockstep-store"

/**
 * The preference (RFC 7240) of a client that wants a sign of life: `102 Processing` while its answer is not ready.
 *
 * @since 0.1.0
 * @category constants
 */
export const PROCESSING = "processing"

/**
 * Milliseconds until the first sign of life, and between two of them.
 *
 * @since 0.1.0
 * @category constants
 */
export const SIGN_OF_LIFE = 200

/**
 * Milliseconds of silence after which a client takes a keeper for stopped.
 *
 * @since 0.1.0
 * @category constants
 */
export const SILENCE = 1_500

/**
 * The name of the keeper's socket in a home: the socket itself, or a link to where it is.
 *
 * @since 0.1.0
 * @category constants
 */
export const SOCKET = "serve.sock"

/**
 * An access token, as the keeper answers. RFC 6749 §5.1, and beside it what a client of Lockstep needs. What is not known is
 * left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: string
  /** Seconds that are left. */
  readonly expires_in?: number
  /** Seconds since the epoch. */
  readonly expires_at?: number
  readonly scope?: string
  /** RFC 8707. */
  readonly resource?: string
  readonly tenant: string
  readonly account?: { readonly id?: string; readonly label?: string }
  readonly generation: number
  /** Where it is stored. Only told to the user whose home it is. */
  readonly store?: string
}

/**
 * Why there is no answer. The same members as the command prints with `--json`; never a secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly _tag: string
  readonly reason: string | null
  readonly message: string
  readonly advice: string
  readonly exit_code: number
  readonly tenant?: string
  /** Seconds. */
  readonly retry_after?: number
  /** The error as the library has it, for clients that hand it on. */
  readonly source?: unknown
}

/**
 * The body of an answer that is an error.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProblemAnswer {
  readonly error: Problem
}

/**
 * The path of all tenants.
 *
 * @since 0.1.0
 * @category constants
 */
export const TENANTS = "/v1/tenants"

/**
 * The path that says that the keeper lives, and nothing else.
 *
 * @since 0.1.0
 * @category constants
 */
export const ALIVE = "/v1/alive"

/**
 * The path of events.
 *
 * @since 0.1.0
 * @category constants
 */
export const EVENTS = "/v1/events"

/**
 * What is wished for of a token. Times are milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wishes {
  readonly minTtl?: number | undefined
  readonly margin?: number | undefined
}

const query = ({ margin, minTtl }: Wishes, ...more: ReadonlyArray<string>): string => {
  const all = [
    ...(minTtl === undefined ? [] : [`min_ttl=${minTtl / 1000}`]),
    ...(margin === undefined ? [] : [`margin=${margin / 1000}`]),
    ...more
  ]
  return all.length === 0 ? "" : `?${all.join("&")}`
}

/**
 * The path of a tenant's token. `peek`: only what is stored is wanted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tokenPath = (
  tenant: string,
  { peek = false, ...wishes }: Wishes & { readonly peek?: boolean } = {}
): string => `${tenantPath(tenant)}/token${query(wishes, ...(peek ? ["refresh=false"] : []))}`

/**
 * The path to which a token is brought that got a 401.
 *
 * @since 0.1.0
 * @category constructors
 */
export const rejectedPath = (tenant: string, wishes: Wishes = {}): string =>
  `${tenantPath(tenant)}/rejected${query(wishes)}`

/**
 * The path of a forced refresh.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refreshPath = (tenant: string): string => `${tenantPath(tenant)}/refresh`

const tenantPath = (tenant: string): string => `${TENANTS}/${encodeURIComponent(tenant)}`

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const isOptional = (value: unknown, type: "string" | "number"): boolean => value === undefined || typeof value === type

/**
 * Whether a document is a token's answer.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTokenAnswer = (value: unknown): value is TokenAnswer =>
  isObject(value) && typeof value["access_token"] === "string" && value["access_token"] !== "" &&
  typeof value["token_type"] === "string" && typeof value["tenant"] === "string" &&
  Number.isSafeInteger(value["generation"]) &&
  isOptional(value["expires_at"], "number") && isOptional(value["store"], "string") &&
  isOptional(value["scope"], "string") && isOptional(value["resource"], "string") &&
  (value["account"] === undefined ||
    isObject(value["account"]) && isOptional(value["account"]["id"], "string") &&
      isOptional(value["account"]["label"], "string"))

/**
 * Whether a document is the answer of an error.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isProblemAnswer = (value: unknown): value is ProblemAnswer => {
  if (!isObject(value) || !isObject(value["error"])) return false
  const { _tag, advice, exit_code: code, message, reason } = value["error"]
  return typeof _tag === "string" && typeof message === "string" && typeof advice === "string" &&
    (reason === null || typeof reason === "string") && Number.isSafeInteger(code)
}

/**
 * Errors that say something of the keeper and nothing of the login: who gets one does without the keeper.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isKeepersOwn = ({ _tag }: Problem): boolean => _tag === "KeeperRefused" || _tag === "Unexpected"
