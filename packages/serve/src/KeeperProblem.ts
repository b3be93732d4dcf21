/**
 * What a keeper answers where there is no token: the members that the command prints with `--json`, advice included, and
 * the status that says what kind of a thing it is.
 *
 * @since 0.1.0
 */
import * as Errors from "@lockstep/core/Errors"
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import type * as KeeperWire from "./KeeperWire.js"

/**
 * A refusal in the keeper's own name: it says nothing of a login.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeeperRefused extends Data.TaggedError("KeeperRefused")<{
  readonly reason: Reason
  readonly message: string
  readonly advice: string
  /** Milliseconds after which the same request may do better. */
  readonly retryAfter?: number
}> {}

/**
 * Why, by the status that goes with it.
 *
 * @since 0.1.0
 * @category constants
 */
export const STATUS = {
  BadRequest: 400,
  KeyMissing: 401,
  KeyRefused: 401,
  HeaderMissing: 403,
  ForeignOrigin: 403,
  Forwarded: 403,
  NotForAgents: 403,
  NoSuchPath: 404,
  Method: 405,
  OtherHome: 409,
  TooLarge: 413,
  ForeignHost: 421,
  Audit: 500,
  Keys: 500,
  Busy: 503,
  Ending: 503
} as const

/**
 * Why a keeper refuses.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = keyof typeof STATUS

const EXIT_CODES: { readonly [R in Reason]?: number } = { KeyMissing: 2, KeyRefused: 2 }

/**
 * The body of a refusal.
 *
 * @since 0.1.0
 * @category rendering
 */
export const toJson = (refused: KeeperRefused): KeeperWire.ProblemAnswer => ({
  error: {
    _tag: refused._tag,
    reason: refused.reason,
    message: refused.message,
    advice: refused.advice,
    exit_code: EXIT_CODES[refused.reason] ?? 1,
    ...(refused.retryAfter === undefined ? {} : { retry_after: refused.retryAfter / 1000 })
  }
})

/**
 * Every error of a request for a token, as it goes over the wire.
 *
 * @since 0.1.0
 * @category schemas
 */
export const RefreshError = Schema.Union(
  Errors.ReauthorizationRequired,
  Errors.LockTimeout,
  Errors.LockUnavailable,
  Errors.ProviderTimeout,
  Errors.ProviderUnavailable,
  Errors.ProviderRejected,
  Errors.CredentialStoreError,
  Errors.RotationNotPersisted
)

/** What needs a person is a conflict with how the login stands, and never a 401: that is about the keeper's own key. */
const BY_TAG: Readonly<Record<string, number>> = {
  ReauthorizationRequired: 409,
  CredentialExists: 409,
  LoginFailed: 409,
  LoginUnavailable: 409,
  UsageError: 400,
  McpAddressRefused: 400,
  McpServerRejected: 502,
  McpServerUnavailable: 503,
  LockTimeout: 503,
  LockUnavailable: 500,
  ProviderTimeout: 504,
  ProviderUnavailable: 503,
  ProviderRejected: 502,
  CredentialStoreError: 500,
  RotationNotPersisted: 500
}

/**
 * The status of an error of a login.
 *
 * @since 0.1.0
 * @category getters
 */
export const statusOf = ({ _tag, reason }: Pick<KeeperWire.Problem, "_tag" | "reason">): number =>
  _tag === "ReauthorizationRequired" && (reason === "NotFound" || reason === "Removed") ? 404 : BY_TAG[_tag] ?? 500

const encode = Schema.encodeUnknownOption(RefreshError)

/**
 * The error as the library has it, for a client that hands it on.
 *
 * @since 0.1.0
 * @category rendering
 */
export const sourceOf = (error: unknown): unknown =>
  encode(error).pipe((found) => found._tag === "Some" ? found.value : undefined)
