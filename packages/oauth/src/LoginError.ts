/**
 * How a login fails: by what the person does next.
 *
 * @since 0.1.0
 */
import type {
  CredentialExists,
  CredentialStoreError,
  LockTimeout,
  LockUnavailable,
  ProviderRejected,
  ProviderTimeout,
  ProviderUnavailable
} from "@lockstep/core/Errors"
import * as Schema from "effect/Schema"

const FAILURES = {
  Denied: "was not granted: access was denied",
  Expired: "was not finished in time",
  NotPending: "is not waiting to be finished: it has no unfinished login of this kind",
  StateMismatch: "was answered for another attempt: `state` differs",
  IssuerMismatch: "was answered by another server than the one that was asked: `iss` differs",
  CodeRefused: "got a code that the server refuses",
  CodeUnreadable: "got something that holds no code",
  ClientForgotten: "was refused because the server does not know its client any more",
  AuthorizationPending: "waits for the person to agree"
} as const

const adviceOf = (reason: keyof typeof FAILURES): string => {
  switch (reason) {
    case "AuthorizationPending":
      return "agree in the browser, then poll again"
    case "StateMismatch":
    case "IssuerMismatch":
      return "nothing was sent; open the address of this attempt and bring its own answer"
    case "CodeRefused":
    case "CodeUnreadable":
      return "paste the whole address or code that the browser shows, once; a login in two steps is still open"
    case "ClientForgotten":
      return "start the login again: another client is registered then"
    default:
      return "start the login again"
  }
}

/**
 * This login was not brought to its end, by the person or by another program: start or repeat it. Nothing stored was changed.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginFailed extends Schema.TaggedError<LoginFailed>()("LoginFailed", {
  tenant: Schema.String,
  reason: Schema.Literal(
    "Denied",
    "Expired",
    "NotPending",
    "StateMismatch",
    "IssuerMismatch",
    "CodeRefused",
    "CodeUnreadable",
    "ClientForgotten",
    "AuthorizationPending"
  ),
  /** The server's own words, where it had some. */
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `the login of ${this.tenant} ${FAILURES[this.reason]}${this.detail === undefined ? "" : ` (${this.detail})`}`
  }
  get advice(): string {
    return adviceOf(this.reason)
  }
}

/**
 * This login cannot be started as things are set up: change the command line or the settings. Nothing was sent that
 * counts.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginUnavailable extends Schema.TaggedError<LoginUnavailable>()("LoginUnavailable", {
  tenant: Schema.String,
  reason: Schema.Literal(
    /** The terms reserve this login, and the risk was not accepted. */
    "TermsNotAccepted",
    "ClientIdMissing",
    "ClientSecretMissing",
    /** The vendor, or this server, has no such way to log in. */
    "MethodNotOffered",
    /** The server does not promise PKCE with S256. */
    "PkceNotOffered",
    /** The server describes itself as an older version of MCP allowed. */
    "OlderServer",
    /** Every port that the vendor allows is taken. */
    "PortsTaken",
    "BadAddress"
  ),
  message: Schema.String,
  advice: Schema.String
}) {}

/**
 * Everything that a login can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type LoginError =
  | LoginFailed
  | LoginUnavailable
  | CredentialExists
  | CredentialStoreError
  | LockTimeout
  | LockUnavailable
  | ProviderRejected
  | ProviderTimeout
  | ProviderUnavailable
