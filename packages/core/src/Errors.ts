/**
 * One class per thing that the caller does next; `reason` says why. `message` is what happened, `advice` what to do;
 * neither ever holds a secret.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const seconds = (millis: number): string => `${Math.max(1, Math.ceil(millis / 1000))} s`

const OUTCOMES = {
  NotFound: "is not logged in",
  Removed: "was logged out",
  NoRefreshToken: "has no refresh token, and only a login brings another access token",
  InvalidGrant: "was refused by the authorization server: its refresh token is no longer valid",
  LoginExpired: "has reached the end of its login, which no refresh extends",
  RegistrationExpired: "logged in with a client that is no longer registered with the authorization server",
  Stale: "holds a refresh token that was already exchanged for a newer one (a restored or copied file?)",
  OutcomeUnknown: "sent its refresh token twice and got no new one; the token may have been consumed",
  RotationLost: "had its refresh token exchanged, and the answer was lost before it could be stored"
} as const

const LOGIN_ADVICE = {
  NotFound: "log in first",
  Removed: "log in again",
  NoRefreshToken: "log in again",
  InvalidGrant: "log in again",
  LoginExpired: "log in again",
  RegistrationExpired: "log in again: a new login registers a new client",
  Stale: "log in again",
  OutcomeUnknown: "risk one more attempt, or log in again",
  RotationLost: "log in again"
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
    return LOGIN_ADVICE[this.reason]
  }
}

/**
 * The process that holds a lock, as far as the system tells.
 *
 * @since 0.1.0
 * @category models
 */
export class LockHolder extends Schema.Class<LockHolder>("@lockstep/core/LockHolder")({
  pid: Schema.Int,
  /** The host that it runs on, where that may be another one. */
  host: Schema.optionalWith(Schema.String, { as: "Option" }).pipe(
    Schema.withConstructorDefault(() => Option.none<string>())
  ),
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
      }${this.holder.value.host._tag === "Some" ? ` on ${this.holder.value.host.value}` : ""}${
        this.holder.value.stopped ? ", which is stopped" : ""
      }`
    return `the lock of ${this.lock} was held ${by} for ${seconds(this.waited)}`
  }
  get advice(): string {
    return this.holder._tag === "Some" && this.holder.value.stopped
      ? `continue it with \`kill -CONT ${this.holder.value.pid}\`, or end it; then try again`
      : "try again: the holder releases it when its refresh has ended"
  }
}

const LOCK_REASONS = {
  Unsupported: "the file system does not support file locks",
  Remote: "the file system is a network or shared one, where file locks cannot be trusted",
  ReadOnly: "the file system is read-only",
  Permission: "this user may not write there",
  OtherDomain: "other processes lock this store elsewhere",
  NoBinding: "no way to call the system's file lock was found",
  Exhausted: "the disk or a table of the system is full",
  Unreachable: "the database that keeps it does not answer"
} as const

const LOCK_ADVICE = {
  Unsupported: "keep the locks in a directory on a local disk",
  Remote: "keep the locks in a directory on a local disk, or say that the locks of this file system can be trusted",
  ReadOnly: "make the directory writable, or let the process that owns it refresh",
  Permission: "run as the owner of the directory, or repair its owner and mode",
  OtherDomain: "use the same lock directory and the same host for every process of this store",
  NoBinding: "install the optional dependencies of this package, or util-linux",
  Exhausted: "free disk space or file descriptors, then try again; nothing was spent",
  Unreachable: "try again once the database answers: nothing was spent, and unexpired tokens are served meanwhile"
} as const

/**
 * The lock cannot be taken at all: fix the lock directory. Nothing is redeemed without the lock.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockUnavailable extends Schema.TaggedError<LockUnavailable>()("LockUnavailable", {
  reason: Schema.Literal(
    "Unsupported",
    "Remote",
    "ReadOnly",
    "Permission",
    "OtherDomain",
    "NoBinding",
    "Exhausted",
    "Unreachable"
  ),
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
    return LOCK_ADVICE[this.reason]
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
      ? `the authorization server of ${this.tenant} has not answered for ${seconds(this.waited)}; the request goes on`
      : `the authorization server of ${this.tenant} did not answer within ${seconds(this.waited)}`
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
  Offline: "would have to be asked for a new token, and a refresh was not allowed",
  NoTime: "was not asked: this machine is too busy to hear an answer in time, and nothing was spent"
} as const

/**
 * The provider cannot serve now: wait `retryAfter`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProviderUnavailable extends Schema.TaggedError<ProviderUnavailable>()("ProviderUnavailable", {
  tenant: Schema.String,
  reason: Schema.Literal("Transport", "RateLimited", "ServerError", "Cooldown", "Offline", "NoTime"),
  /** Milliseconds. */
  retryAfter: Schema.Number,
  detail: Schema.optional(Schema.String),
  /** What a person can do about it, where more than waiting helps. */
  remedy: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `the authorization server of ${this.tenant} ${UNAVAILABLE_REASONS[this.reason]}${
      this.detail === undefined ? "" : ` (${this.detail})`
    }`
  }
  get advice(): string {
    return this.reason === "Offline"
      ? "allow a refresh, or ask again after another process has refreshed"
      : `${this.remedy ?? `try again in ${seconds(this.retryAfter)}`}; what is stored stays as it is`
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
  /** Whether the client is refused without a word of why, which a dead refresh token is on some servers. */
  get isUnexplained(): boolean {
    return this.reason === "InvalidClient" && BARE.test(this.detail ?? "")
  }
  get advice(): string {
    return this.isUnexplained ? "it does not say why: log in again" : REJECTED_ADVICE[this.reason]
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
    return "say that it may be replaced, or choose another tenant or profile"
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
