/**
 * One class per thing that the caller does next; `reason` says why. `message` is what happened, `advice` what to do;
 * neither ever holds a secret.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ShellWord from "./ShellWord.js"

const seconds = (millis: number): string => `${Math.max(1, Math.ceil(millis / 1000))} s`

/**
 * How to start a new login of a tenant, as part of a sentence.
 *
 * @since 0.1.0
 * @category getters
 */
export const loginAdvice = (tenant: string): string => `log in with \`lockstep login ${tenant}\``

/** Of an MCP server nothing is known but what a record of its login says. */
const firstLoginAdvice = (tenant: string): string =>
  tenant.startsWith("mcp:")
    ? `log in with \`lockstep login URL --tenant ${tenant}\`, where URL is the address of the MCP server`
    : loginAdvice(tenant)

const OUTCOMES = {
  NotFound: "is not logged in",
  Removed: "was logged out",
  NoRefreshToken: "has no refresh token and its access token has ended",
  InvalidGrant: "was refused by the authorization server: its refresh token is no longer valid",
  LoginExpired: "has reached the end of its login, which no refresh extends",
  RegistrationExpired: "is registered with the authorization server no longer",
  Stale: "holds a refresh token that was already exchanged for a newer one (a restored or copied file?)",
  OutcomeUnknown: "sent its refresh token and never learned what came of it; the token may have been consumed",
  RotationLost: "had its refresh token exchanged, and the answer was lost before it could be stored"
} as const

/**
 * The login has ended: start a new one. Nothing stored was changed or deleted.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReauthorizationRequired extends Schema.TaggedError<ReauthorizationRequired>()("ReauthorizationRequired", {
  tenant: Schema.String,
  reason: Schema.Literal(
    "NotFound",
    "Removed",
    "NoRefreshToken",
    "InvalidGrant",
    "LoginExpired",
    "RegistrationExpired",
    "Stale",
    "OutcomeUnknown",
    "RotationLost"
  ),
  /** The authorization server's own words, where it had some. */
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `${this.tenant} ${OUTCOMES[this.reason]}${this.detail === undefined ? "" : ` (${this.detail})`}`
  }
  get advice(): string {
    switch (this.reason) {
      case "OutcomeUnknown":
        return `run \`lockstep refresh ${ShellWord.quote(this.tenant)} --accept-risk\` to risk one more attempt, or ${
          loginAdvice(this.tenant)
        }`
      case "NotFound":
      case "Removed":
        return firstLoginAdvice(this.tenant)
      default:
        return loginAdvice(this.tenant)
    }
  }
}

/**
 * Who holds a lock, as far as the system tells.
 *
 * @since 0.1.0
 * @category models
 */
export class LockHolder extends Schema.Class<LockHolder>("@lockstep/core/LockHolder")({
  pid: Schema.Int,
  command: Schema.optionalWith(Schema.String, { as: "Option" }),
  /** Milliseconds since the epoch at which that process started. */
  startedAt: Schema.optionalWith(Schema.Number, { as: "Option" }),
  /** Suspended by a signal (Ctrl-Z): it will not release the lock until it is continued. */
  stopped: Schema.Boolean
}) {}

/**
 * Another process kept the lock for longer than the bound: try again.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockTimeout extends Schema.TaggedError<LockTimeout>()("LockTimeout", {
  /** The tenant or the aggregate that was waited for. */
  lock: Schema.String,
  /** Milliseconds. */
  waited: Schema.Number,
  holder: Schema.optionalWith(LockHolder, { as: "Option" })
}) {
  override get message(): string {
    const by = this.holder._tag === "None"
      ? "by another process"
      : `by process ${this.holder.value.pid}${
        this.holder.value.command._tag === "Some" ? ` (${this.holder.value.command.value})` : ""
      }${this.holder.value.stopped ? ", which is stopped" : ""}`
    return `the lock of ${this.lock} was held ${by} for ${seconds(this.waited)}`
  }
  get advice(): string {
    return this.holder._tag === "Some" && this.holder.value.stopped
      ? `continue it with \`kill -CONT ${this.holder.value.pid}\`, or end it; then try again`
      : "try again; `lockstep status` shows who is refreshing"
  }
}

const LOCK_REASONS = {
  Unsupported: "the file system does not support file locks",
  Remote: "the file system is a network or shared one, where file locks cannot be trusted",
  ReadOnly: "the file system is read-only",
  Permission: "this user may not write there",
  OtherDomain: "other processes lock this store elsewhere",
  NoBinding: "no way to call the system's file lock was found",
  Exhausted: "the disk or a table of the system is full"
} as const

/**
 * The lock cannot be taken at all: fix the lock directory. Nothing is redeemed without the lock.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockUnavailable extends Schema.TaggedError<LockUnavailable>()("LockUnavailable", {
  reason: Schema.Literal("Unsupported", "Remote", "ReadOnly", "Permission", "OtherDomain", "NoBinding", "Exhausted"),
  /** The path concerned. */
  path: Schema.String,
  /** An errno, the two settings that disagree, and the like. */
  detail: Schema.optional(Schema.String),
  /** What to do, where the reason alone does not tell: part of a sentence. */
  remedy: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `cannot lock at ${this.path}: ${LOCK_REASONS[this.reason]}${
      this.detail === undefined ? "" : ` (${this.detail})`
    }`
  }
  get advice(): string {
    if (this.remedy !== undefined) return this.remedy
    switch (this.reason) {
      case "Remote":
        return "set LOCKSTEP_LOCK_DIR to a directory on a local disk, or LOCKSTEP_TRUST_LOCKS=1 if this one's locks really work"
      case "Unsupported":
        return "set LOCKSTEP_LOCK_DIR to a directory on a local disk"
      case "ReadOnly":
        return "make the directory writable, or let the process that owns it refresh"
      case "Permission":
        return "run as the owner of the directory, or repair its owner and mode"
      case "OtherDomain":
        return "use the same LOCKSTEP_LOCK_DIR and host for every process of this store"
      case "Exhausted":
        return "free disk space or file descriptors, then try again; nothing was spent"
      case "NoBinding":
        return "reinstall lockstep with its optional dependencies, or install util-linux"
    }
  }
}

/**
 * The provider did not answer in time: call again, which joins the running request or makes the one retry.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProviderTimeout extends Schema.TaggedError<ProviderTimeout>()("ProviderTimeout", {
  tenant: Schema.String,
  reason: Schema.Literal("StillRunning", "NoAnswer"),
  /** Milliseconds. */
  waited: Schema.Number
}) {
  override get message(): string {
    return this.reason === "StillRunning"
      ? `the token endpoint of ${this.tenant} has not answered for ${seconds(this.waited)}; the request goes on`
      : `the token endpoint of ${this.tenant} did not answer within ${seconds(this.waited)}`
  }
  get advice(): string {
    return "call again: it joins the running request, or makes the one retry that is safe"
  }
}

const UNAVAILABLE_REASONS = {
  Transport: "cannot be reached",
  RateLimited: "asks for fewer requests",
  ServerError: "has an error of its own",
  Cooldown: "failed a moment ago, and every process waits before it is asked again",
  Offline: "would have to be asked for a new token, and refreshing was not allowed"
} as const

const UNTRUSTED = /certificate is not trusted/

/**
 * The provider cannot serve now: wait `retryAfter`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {
  tenant: Schema.String,
  reason: Schema.Literal("Transport", "RateLimited", "ServerError", "Cooldown", "Offline"),
  /** Milliseconds. */
  retryAfter: Schema.Number,
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `the token endpoint of ${this.tenant} ${UNAVAILABLE_REASONS[this.reason]}${
      this.detail === undefined ? "" : ` (${this.detail})`
    }`
  }
  get advice(): string {
    if (this.reason === "Transport" && UNTRUSTED.test(this.detail ?? "")) {
      return "name the authority that the certificate is from with NODE_EXTRA_CA_CERTS=FILE, then try again; the login is kept"
    }
    return this.reason === "Offline"
      ? "allow refreshing, or ask again after another process has refreshed"
      : `try again in ${seconds(this.retryAfter)}; the login is kept`
  }
}

/** A refusal without a word of why. */
const BARE = /^HTTP 401$/

const REJECTED_REASONS = {
  InvalidClient: "refuses this client",
  Entitlement: "refuses this account's entitlement",
  Protocol: "answers in a way that no token endpoint does",
  Resource: "refuses a request that names its resource",
  FreshTokenRejected: "issues tokens that the resource server rejects, again and again"
} as const

const REJECTED_ADVICE = {
  InvalidClient: "check client id and client secret; a new login would not help",
  Entitlement: "check the subscription or the policy of the account; a new login would not help",
  Protocol: "check issuer and token endpoint; a new login would not help",
  Resource: "if the server takes no `resource`, log in without it",
  FreshTokenRejected: "check audience, scope and the clock of the resource server; it is asked again in a minute"
} as const

/**
 * The provider answered and a login would not help: fix configuration or entitlement.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProviderRejected extends Schema.TaggedError<ProviderRejected>()("ProviderRejected", {
  tenant: Schema.String,
  reason: Schema.Literal("InvalidClient", "Entitlement", "Protocol", "Resource", "FreshTokenRejected"),
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `the authorization server of ${this.tenant} ${REJECTED_REASONS[this.reason]}${
      this.detail === undefined ? "" : ` (${this.detail})`
    }`
  }
  get advice(): string {
    if (this.reason === "InvalidClient" && BARE.test(this.detail ?? "")) {
      return `it does not say why; log in again with \`lockstep login ${ShellWord.quote(this.tenant)} --replace\``
    }
    const advice = REJECTED_ADVICE[this.reason]
    return this.reason === "Resource"
      ? `${advice}: \`lockstep login ${ShellWord.quote(this.tenant)} --omit-resource --replace\``
      : advice
  }
}

const STORE_REASONS = {
  Read: "cannot be read",
  Write: "cannot be written",
  Decode: "is damaged",
  Locked: "is locked",
  Unavailable: "is not available",
  TooLarge: "cannot hold an entry of this size",
  Superseded: "was replaced by something else"
} as const

const STORE_ADVICE = {
  Read: "check that the file exists and that this user may read it",
  Write: "check free space and permissions; nothing was changed",
  Decode: "repair the file by hand or restore it; nothing was changed and nothing will be written to it",
  Locked: "unlock it and try again",
  Unavailable: "start it, or choose another store",
  TooLarge: "choose another store",
  Superseded: "call again to take over what is stored now"
} as const

/**
 * The store failed: fix the store. A failure never changes what is stored.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialStoreError extends Schema.TaggedError<CredentialStoreError>()("CredentialStoreError", {
  reason: Schema.Literal("Read", "Write", "Decode", "Locked", "Unavailable", "TooLarge", "Superseded"),
  /** The file or backend concerned. */
  location: Schema.String,
  /** An errno, a position, the two settings that disagree: never content. */
  detail: Schema.optional(Schema.String),
  /** What to do, where the reason alone does not tell: part of a sentence. */
  remedy: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `${this.location} ${STORE_REASONS[this.reason]}${this.detail === undefined ? "" : ` (${this.detail})`}`
  }
  get advice(): string {
    return this.remedy ?? STORE_ADVICE[this.reason]
  }
}

/**
 * The provider rotated and the store would not take the answer: free the disk, then call again. Nothing is lost.
 *
 * @since 0.1.0
 * @category errors
 */
export class RotationNotPersisted extends Schema.TaggedError<RotationNotPersisted>()("RotationNotPersisted", {
  tenant: Schema.String,
  location: Schema.String,
  /** Where the answer is kept until then. */
  kept: Schema.Literal("AnswerFile", "Memory"),
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `${this.tenant} has new tokens, but ${this.location} could not be written${
      this.detail === undefined ? "" : ` (${this.detail})`
    }; they are kept ${this.kept === "AnswerFile" ? "in its answer file" : "in the memory of this process"}`
  }
  get advice(): string {
    return this.kept === "AnswerFile"
      ? "free disk space or repair permissions, then call again: the kept tokens are stored, nothing is redeemed twice"
      : "free disk space or repair permissions and call again before this process ends"
  }
}

/**
 * A login is already stored: say that it shall be replaced.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialExists extends Schema.TaggedError<CredentialExists>()("CredentialExists", {
  tenant: Schema.String,
  account: Schema.optionalWith(Schema.String, { as: "Option" })
}) {
  override get message(): string {
    return `${this.tenant} is logged in already${this.account._tag === "Some" ? ` as ${this.account.value}` : ""}`
  }
  get advice(): string {
    return "repeat with --replace to replace it, or choose another tenant or profile"
  }
}

/**
 * Everything that asking for an access token can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type RefreshError =
  | ReauthorizationRequired
  | LockTimeout
  | LockUnavailable
  | ProviderTimeout
  | ProviderUnavailable
  | ProviderRejected
  | CredentialStoreError
  | RotationNotPersisted
