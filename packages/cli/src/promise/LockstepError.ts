/**
 * What the promises of this package reject with. No import: these types are published as they stand.
 *
 * @since 0.1.0
 */

/**
 * Why, by what to do next. An error whose name says all has the reason `null`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reasons {
  /** The login has ended, or does not exist: a person has to log in. Nothing stored was changed. */
  readonly ReauthorizationRequired:
    | "NotFound"
    | "Removed"
    | "NoRefreshToken"
    | "InvalidGrant"
    | "LoginExpired"
    | "RegistrationExpired"
    | "Stale"
    | "OutcomeUnknown"
    | "RotationLost"
  /** Another process kept the lock for longer than the bound: try again. */
  readonly LockTimeout: null
  /** The lock cannot be taken at all: repair the lock directory. */
  readonly LockUnavailable:
    | "Unsupported"
    | "Remote"
    | "ReadOnly"
    | "Permission"
    | "OtherDomain"
    | "NoBinding"
    | "Exhausted"
    | "Unreachable"
  /** The authorization server did not answer in time: call again, which joins the running request. */
  readonly ProviderTimeout: "StillRunning" | "NoAnswer"
  /** The authorization server cannot serve now: wait for `retryAfter`. */
  readonly ProviderUnavailable: "Transport" | "RateLimited" | "ServerError" | "Cooldown" | "Offline" | "NoTime"
  /** The authorization server refuses, and a login would not help: change configuration or entitlement. */
  readonly ProviderRejected: "InvalidClient" | "Entitlement" | "Protocol" | "Resource" | "FreshTokenRejected"
  /** The store failed: repair it. A failure never changes what is stored. */
  readonly CredentialStoreError: "Read" | "Write" | "Decode" | "Locked" | "Unavailable" | "TooLarge" | "Superseded"
  /** The server rotated and the store would not take the answer: free the disk and call again. Nothing is lost. */
  readonly RotationNotPersisted: null
  /** A login is stored already: say that it shall be replaced. */
  readonly CredentialExists: null
  /** The request was not sent, because the token must not go there. */
  readonly RequestRefused:
    | "OtherOrigin"
    | "PlainHttp"
    | "Unbound"
    | "AuthorizationPresent"
    | "TokenType"
    | "TokenSyntax"
  /** The token was rejected and there is a new one, but the body of the request is used up: make the request anew. */
  readonly RequestNotReplayed: null
  /** The resource wants more scope: log in again and ask for `scope`. */
  readonly InsufficientScope: null
  /** The head of the response did not come in time. Whether the request was acted on is unknown. */
  readonly ResponseTimeout: null
  /** The login was not brought to its end: repeat it. */
  readonly LoginFailed:
    | "Denied"
    | "Expired"
    | "NotPending"
    | "StateMismatch"
    | "IssuerMismatch"
    | "CodeRefused"
    | "CodeUnreadable"
    | "ClientForgotten"
    | "AuthorizationPending"
  /** The login cannot begin as things are set up: change the options. */
  readonly LoginUnavailable:
    | "TermsNotAccepted"
    | "ClientIdMissing"
    | "ClientSecretMissing"
    | "MethodNotOffered"
    | "PkceNotOffered"
    | "OlderServer"
    | "PortsTaken"
    | "BadAddress"
  /** The address is not one of an MCP server that can be logged in to. */
  readonly McpAddressRefused: "BadAddress" | "Redirected" | "NotProtected"
  /** The MCP server says something about itself that must not be believed. */
  readonly McpServerRejected:
    | "MetadataAddress"
    | "MetadataUnreadable"
    | "ResourceMismatch"
    | "IssuerMissing"
    | "IssuerMismatch"
  /** The MCP server cannot be asked now: try again. */
  readonly McpServerUnavailable: "Transport" | "Timeout" | "RateLimited" | "ServerError"
  /** A person has to log in to the MCP server, and this program sends no person to a browser. */
  readonly LoginRequired: null
  /** The answer of a browser does not belong to this flow, or holds no code. */
  readonly AnswerRefused: "State" | "IssuerMissing" | "IssuerMismatch" | "Denied" | "Unchecked"
  /** This process, and every other one, has no flow of that name. */
  readonly UnknownFlow: null
  /** An argument, an option or a setting is wrong: change it. */
  readonly UsageError: "Arguments" | "Input" | "Configuration"
  /** This `Lockstep` was closed. */
  readonly Closed: null
  /** A fault of Lockstep. */
  readonly Unexpected: null
}

/**
 * The name of an error: what a program does next depends on it alone.
 *
 * @since 0.1.0
 * @category models
 */
export type Tag = keyof Reasons

/**
 * What every error tells. No member ever holds a secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface LockstepErrorOf<T extends Tag> extends Error {
  readonly name: "LockstepError"
  readonly _tag: T
  readonly reason: Reasons[T]
  /** What to do, for a person. What stands in backticks is a command that works as it is printed. */
  readonly advice: string
  /** The login that it is about. */
  readonly tenant: string | undefined
  /** Milliseconds after which trying again is worth it, where that is known. */
  readonly retryAfter: number | undefined
  /** `InsufficientScope`: what to ask for, what was granted included. */
  readonly scope: ReadonlyArray<string> | undefined
}

/**
 * Everything that this package rejects with, apart from the reason of a signal that was aborted and from what `fetch` itself
 * rejects with. `_tag` tells the errors apart.
 *
 * @since 0.1.0
 * @category errors
 */
export type LockstepError = { readonly [T in Tag]: LockstepErrorOf<T> }[Tag]

/**
 * What an error is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parts<T extends Tag = Tag> {
  readonly tag: T
  readonly reason: Reasons[T]
  readonly message: string
  readonly advice: string
  readonly tenant?: string | undefined
  readonly retryAfter?: number | undefined
  readonly scope?: ReadonlyArray<string> | undefined
  readonly cause?: unknown
}

class Made extends Error {
  override readonly name = "LockstepError"
  readonly _tag: Tag
  readonly reason: Reasons[Tag]
  readonly advice: string
  readonly tenant: string | undefined
  readonly retryAfter: number | undefined
  readonly scope: ReadonlyArray<string> | undefined
  constructor({ advice, cause, message, reason, retryAfter, scope, tag, tenant }: Parts) {
    super(message, cause === undefined ? {} : { cause })
    this._tag = tag
    this.reason = reason
    this.advice = advice
    this.tenant = tenant
    this.retryAfter = retryAfter
    this.scope = scope
  }
}

// A bundle gives it another name.
Object.defineProperty(Made, "name", { value: "LockstepError" })

/**
 * The class of all these errors, for `instanceof`.
 *
 * ```ts
 * import { LockstepError } from "lockstep"
 *
 * const told = (error: unknown): string => {
 *   if (!(error instanceof LockstepError)) throw error
 *   return error._tag === "ReauthorizationRequired" ? error.advice : error.message
 * }
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export const LockstepError: {
  new<T extends Tag>(parts: Parts<T>): LockstepErrorOf<T>
  readonly prototype: LockstepError
} = Made as never
