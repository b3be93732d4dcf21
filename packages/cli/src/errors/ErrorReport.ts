/**
 * How an error is told: one line that says what happened, one that says what to do; or one JSON document.
 *
 * @since 0.1.0
 */
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Printable from "@lockstep/core/Printable"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Output from "../terminal/Output.js"
import * as Style from "../terminal/Style.js"
import { Advised } from "./Advised.js"
import * as ConfigFault from "./ConfigFault.js"
import * as ExitCode from "./ExitCode.js"
import { Relayed } from "./Relayed.js"
import type { Report } from "./Report.js"

const text = (error: object, member: string): string | undefined => {
  const value = (error as Record<string, unknown>)[member]
  return typeof value === "string" ? value : undefined
}

const details = (error: object): Record<string, unknown> => {
  const members = error as Record<string, unknown>
  const found: Record<string, unknown> = {}
  for (const member of ["tenant", "location", "path", "lock", "kept", "server"]) {
    if (typeof members[member] === "string") found[member] = members[member]
  }
  // Durations are milliseconds inside and seconds outside.
  if (typeof members["retryAfter"] === "number") found["retry_after"] = members["retryAfter"] / 1000
  if (typeof members["waited"] === "number") found["waited"] = members["waited"] / 1000
  const holder = members["holder"]
  if (Option.isOption(holder) && Option.isSome(holder)) {
    const { command, pid, stopped } = holder.value as { pid: number; stopped: boolean; command: Option.Option<string> }
    found["holder"] = { pid, command: Option.getOrNull(command), stopped }
  }
  return found
}

const SEE_HELP = "see `lockstep --help`, or `lockstep COMMAND --help`"

const usage = (message: string): Report => ({
  tag: "UsageError",
  reason: "Arguments",
  message,
  advice: SEE_HELP,
  exitCode: ExitCode.Usage,
  details: {}
})

/** The name of an option, without the value that may be glued to it. */
const OPTION = /^(-{1,2}[a-z][a-z-]*)(?:=.*)?$/is

// What was typed in the place of an argument may be a token: of all that the parser quotes, only the names of options
// are repeated.
const inOurWords = (message: string): string => {
  const unknown = /^Received unknown argument: '(.*)'$/s.exec(message)
  if (unknown !== null) {
    const option = OPTION.exec(unknown[1]!)
    return option === null ? "there is an argument too many" : `there is no option ${option[1]}`
  }
  const missing = /^Expected to find option: '(--[a-z-]+)'$/.exec(message) ?? /^Missing argument <(.*)>$/.exec(message)
  if (missing !== null) return `${missing[1]} is missing`
  const choices = /^Expected one of the following cases: (.*)$/.exec(message)
  if (choices !== null) return `one of these is expected: ${choices[1]}`
  return message.replace(/'([^']*)'/g, (_, value: string) => OPTION.exec(value)?.[1] ?? "that")
}

const fromValidation = (error: ValidationError.ValidationError): Report => {
  if (ValidationError.isCommandMismatch(error)) return usage("there is no such command")
  const message = Style.strip(HelpDoc.toAnsiText(error.error)).replace(/\s+/g, " ").trim()
  return usage(message === "" ? "the command line is not understood" : inOurWords(message))
}

const fromConfig = (error: ConfigError.ConfigError): Report => ({
  tag: "UsageError",
  reason: "Configuration",
  message: ConfigFault.message(error),
  advice: ConfigFault.ADVICE,
  exitCode: ExitCode.Usage,
  details: {}
})

/**
 * Reads what there is to tell out of a failure.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = (error: unknown): Report => {
  if (error instanceof Relayed) return error.report
  if (error instanceof Advised) {
    const report = fromError(error.error)
    return {
      ...report,
      message: error.text ?? report.message,
      advice: error.advice,
      details: error.nearest.length === 0 ? report.details : { ...report.details, nearest: error.nearest }
    }
  }
  if (ValidationError.isValidationError(error)) return fromValidation(error)
  if (ConfigError.isConfigError(error)) return fromConfig(error)
  if (Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag)) {
    const message = text(error, "message")
    const advice = text(error, "advice")
    if (message !== undefined && advice !== undefined) {
      return {
        tag: error._tag,
        reason: text(error, "reason") ?? null,
        message,
        advice,
        exitCode: ExitCode.fromTag(error._tag),
        details: details(error)
      }
    }
  }
  return {
    tag: "Unexpected",
    reason: Predicate.hasProperty(error, "name") && Predicate.isString(error.name) ? error.name : null,
    // Not the error's own words: a parser that fails may quote what it read.
    message: `something unexpected happened${
      Predicate.hasProperty(error, "name") && Predicate.isString(error.name) ? ` (${error.name})` : ""
    }`,
    advice: "run `lockstep doctor`; if it finds nothing, report this with the output of --log-level debug",
    exitCode: ExitCode.Unexpected,
    details: {}
  }
}

/**
 * Reads what there is to tell out of a cause; nothing where everything was interrupted.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCause = (cause: Cause.Cause<unknown>, command?: string): Option.Option<Report> => {
  if (Cause.isInterruptedOnly(cause)) return Option.none()
  const report = fromError(Option.getOrElse(Cause.failureOption(cause), () => Cause.squash(cause)))
  return Option.some(
    report.advice === SEE_HELP && command !== undefined
      ? { ...report, advice: `see \`lockstep ${command} --help\`` }
      : report
  )
}

/**
 * The document that `--json` prints in place of the data.
 *
 * @since 0.1.0
 * @category rendering
 */
export const toJson = (report: Report): unknown => ({
  error: {
    _tag: report.tag,
    reason: report.reason,
    message: report.message,
    advice: report.advice,
    exit_code: report.exitCode,
    ...report.details
  }
})

/**
 * The two lines for a person.
 *
 * @since 0.1.0
 * @category rendering
 */
export const toText = (report: Report, style: Style.Style): string => {
  const { line } = Printable
  return `${style.red("lockstep:")} ${line(report.message)}\n${style.dim(style.glyphs.arrow)} ${
    Style.spell(line(report.advice), style)
  }\n`
}

/**
 * Tells an error, as JSON on stdout or in two lines on stderr.
 *
 * @since 0.1.0
 * @category combinators
 */
export const print = (
  report: Report,
  options: { readonly json: boolean }
): Effect.Effect<void, never, Output.Output> =>
  options.json
    ? Output.json(toJson(report))
    : Effect.flatMap(Output.Output, (output) => output.note(toText(report, output.noteStyle)))

/**
 * Frames of an unexpected error's stack, without its message.
 *
 * @since 0.1.0
 * @category getters
 */
export const frames = (cause: Cause.Cause<unknown>): ReadonlyArray<string> => {
  const error = Cause.squash(cause)
  return error instanceof Error
    ? (error.stack ?? "").split("\n").map((line) => line.trim()).filter((line) => line.startsWith("at "))
    : []
}
