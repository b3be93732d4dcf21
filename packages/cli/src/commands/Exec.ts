/**
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Ended } from "../Ended.js"
import * as ExitCode from "../ExitCode.js"
import * as Output from "../Output.js"
import * as Subprocess from "../Subprocess.js"
import * as Times from "../Times.js"
import { UsageError } from "../UsageError.js"

/**
 * The variable that holds the token where none is named.
 *
 * @since 0.1.0
 * @category defaults
 */
export const DEFAULT_VARIABLE = "LOCKSTEP_TOKEN"

/**
 * What `lockstep exec` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly variable: string
  readonly command: ReadonlyArray<string>
}

/** A child keeps the token that it was given for as long as it runs. */
const SHORT = 10 * 60_000

/**
 * Checks what was asked before a token is asked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const check = (options: Options): Effect.Effect<Options, UsageError> =>
  options.command.length === 0
    ? new UsageError({
      reason: "Arguments",
      message: "no command to run",
      advice: "write it behind --: `lockstep exec TENANT -- CMD…`"
    })
    : !/^[A-Za-z_][A-Za-z0-9_]*$/.test(options.variable)
    ? new UsageError({
      reason: "Arguments",
      message: "--env: the name of a variable is expected",
      advice: "use letters, digits and underscores"
    })
    : Effect.succeed(options)

/**
 * Runs a command with the token in its environment, and ends with its exit code.
 *
 * The coordinator is closed before: a child that starts while a flight is being settled would run under a lock that it
 * knows nothing of.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options, token: AccessToken) =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const left = Option.map(token.expiresAt, (at) => at * 1000 - now)
    if (Option.exists(left, (millis) => millis < SHORT)) {
      yield* Output.warn(
        `the token of ${token.tenant} expires in ${
          Times.span(Option.getOrElse(left, () => 0))
        }, and a running command keeps it`
      )
    }
    const code = yield* Subprocess.run(options.command, { [options.variable]: token.token })
    if (code !== ExitCode.Done) yield* new Ended({ code })
  })
