/**
 * Tells how a command failed, and with which exit code.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Argv from "../line/Argv.js"
import type * as Output from "../terminal/Output.js"
import * as Advice from "./Advice.js"
import { Ended } from "./Ended.js"
import * as ErrorReport from "./ErrorReport.js"
import * as Relayed from "./Relayed.js"

/**
 * Tells a failure and answers with its exit code; an interruption is passed on.
 *
 * @since 0.1.0
 * @category combinators
 */
export const tell = (
  cause: Cause.Cause<unknown>,
  argv: Pick<Argv.Argv, "command" | "globals" | "wantsJson">
): Effect.Effect<number, never, Output.Output> =>
  Effect.gen(function*() {
    const error = Cause.failureOption(cause)
    if (Option.isSome(error) && error.value instanceof Ended) return error.value.code
    const report = ErrorReport.fromCause(cause, argv.command)
    if (Option.isNone(report)) return yield* Effect.interrupt
    if (report.value.tag === "Unexpected") {
      yield* Effect.logDebug(ErrorReport.frames(cause).join("\n  "))
    }
    const advice = Advice.withGlobals(report.value.advice, argv.globals)
    yield* ErrorReport.print({ ...report.value, advice }, { json: argv.wantsJson })
    return report.value.exitCode
  })

/**
 * Tells again what was told elsewhere in the words of the command, and answers with its exit code.
 *
 * @since 0.1.0
 * @category combinators
 */
export const relay = (
  error: unknown,
  argv: Pick<Argv.Argv, "command" | "globals" | "wantsJson">
): Effect.Effect<number, never, Output.Output> =>
  tell(Cause.fail(new Relayed.Relayed({ report: Relayed.fromJson({ error }) })), argv)
