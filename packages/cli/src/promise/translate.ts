/**
 * Turns the errors of the services into those of the published types, with advice that a person can run.
 *
 * @since 0.1.0
 */
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Advice from "../errors/Advice.js"
import * as Advised from "../errors/Advised.js"
import * as ConfigFault from "../errors/ConfigFault.js"
import { LockstepError, type LockstepError as Told, type Reasons, type Tag } from "./LockstepError.js"

const TAGS: { readonly [T in Tag]: true } = {
  ReauthorizationRequired: true,
  LockTimeout: true,
  LockUnavailable: true,
  ProviderTimeout: true,
  ProviderUnavailable: true,
  ProviderRejected: true,
  CredentialStoreError: true,
  RotationNotPersisted: true,
  CredentialExists: true,
  RequestRefused: true,
  RequestNotReplayed: true,
  InsufficientScope: true,
  ResponseTimeout: true,
  LoginFailed: true,
  LoginUnavailable: true,
  McpAddressRefused: true,
  McpServerRejected: true,
  McpServerUnavailable: true,
  LoginRequired: true,
  AnswerRefused: true,
  UnknownFlow: true,
  UsageError: true,
  Closed: true,
  Unexpected: true
}

const isTag = (tag: string): tag is Tag => Object.hasOwn(TAGS, tag)

const member = <A>(error: object, name: string, is: (value: unknown) => value is A): A | undefined => {
  const value: unknown = Reflect.get(error, name)
  return is(value) ? value : undefined
}

const isText = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is number => typeof value === "number"
const isTexts = (value: unknown): value is ReadonlyArray<string> => Array.isArray(value) && value.every(isText)

/**
 * The advice of a service names no program, since a library does not know its user. The command's names one; where it speaks
 * of its own options without naming a command, a program is better served by the service's.
 */
const chosen = (own: string, tag: string, worded: string): string =>
  worded.includes("`lockstep ") || tag === "LockUnavailable" ? worded : own

const fromTyped = (
  error: { readonly _tag: string; readonly advice: string },
  worded: string = error.advice,
  text?: string
): Told => {
  const tag = isTag(error._tag) ? error._tag : "Unexpected"
  return new LockstepError({
    tag,
    reason: (tag === "Unexpected" ? null : member(error, "reason", isText) ?? null) as Reasons[Tag],
    message: text ?? member(error, "message", isText) ?? "something unexpected happened",
    advice: chosen(error.advice, error._tag, worded),
    tenant: member(error, "tenant", isText),
    retryAfter: member(error, "retryAfter", isNumber),
    scope: tag === "InsufficientScope" ? member(error, "scope", isTexts) : undefined,
    cause: error
  }) as Told
}

/** The stack of an error without its words: a parser that fails may quote what it read. */
const frames = (error: unknown): Error | undefined => {
  if (!(error instanceof Error)) return undefined
  const bare = new Error("")
  bare.name = error.name
  bare.stack = [error.name, ...(error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line))].join("\n")
  return bare
}

/**
 * Turns whatever was thrown into one of the published errors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = (error: unknown): Told => {
  if (error instanceof LockstepError) return error
  if (error instanceof Advised.Advised && Advice.isAdvising(error.error)) {
    return fromTyped(error.error, error.advice, error.text)
  }
  if (Advice.isAdvising(error)) return fromTyped(error)
  if (ConfigError.isConfigError(error)) {
    return new LockstepError({
      tag: "UsageError",
      reason: "Configuration",
      message: ConfigFault.message(error),
      advice: ConfigFault.ADVICE
    })
  }
  return new LockstepError({
    tag: "Unexpected",
    reason: null,
    message: `something unexpected happened${error instanceof Error ? ` (${error.name})` : ""}`,
    advice: "run `lockstep doctor`; if it finds nothing, report this with the stack of the cause",
    cause: frames(error)
  })
}

/**
 * What a program's own function threw: it passes through as it is.
 *
 * @since 0.1.0
 * @category models
 */
export class Passed {
  readonly _tag = "Passed"
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Calls a function of the program.
 *
 * @since 0.1.0
 * @category combinators
 */
export const called = <A>(call: (signal: AbortSignal) => A | Promise<A>): Effect.Effect<A, Passed> =>
  Effect.tryPromise({ try: async (signal) => call(signal), catch: (reason) => new Passed(reason) })

/**
 * Says that an argument is wrong.
 *
 * @since 0.1.0
 * @category constructors
 */
export const usage = (message: string, advice: string): Told =>
  new LockstepError({ tag: "UsageError", reason: "Arguments", message, advice })

/**
 * Says that nothing is asked any more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const closed = (): Told =>
  new LockstepError({
    tag: "Closed",
    reason: null,
    message: "this Lockstep was closed",
    advice: "open another one, or close it later"
  })

/**
 * Translates what an effect fails with. `globals` are the options that a command needs to act on the same home.
 *
 * @since 0.1.0
 * @category combinators
 */
export const translated = (globals: Advice.Words, beginning: Option.Option<Advice.Words> = Option.none()) =>
<A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, Told | Passed, R | CredentialStore | VendorRegistry> =>
  Advised.worded(beginning)(self).pipe(
    Effect.catchAllCause((cause) => {
      if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      const error = Cause.squash(cause)
      return Effect.fail(error instanceof Passed ? error : withGlobals(fromError(error), globals))
    })
  )

/** The same error, with advice that acts on the home of this `Lockstep`. */
const withGlobals = (told: Told, globals: Advice.Words): Told => {
  const { _tag: tag, cause, message, reason, retryAfter, scope, tenant } = told
  const advice = Advice.withGlobals(told.advice, globals)
  return advice === told.advice
    ? told
    : new LockstepError({ tag, reason, message, advice, tenant, retryAfter, scope, cause }) as Told
}
