/**
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as ExitCode from "./ExitCode.js"
import type { Report } from "./Report.js"

/**
 * The error of another run of this command, told again as it was told there.
 *
 * @since 0.1.0
 * @category errors
 */
export class Relayed extends Data.TaggedError("Relayed")<{ readonly report: Report }> {}

const unknown: Report = {
  tag: "Unexpected",
  reason: null,
  message: "the refresh in the background ended without an answer",
  advice: "run `lockstep doctor`",
  exitCode: ExitCode.Unexpected,
  details: {}
}

const object = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? value as Record<string, unknown> : {}

const decode = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Reads the document that a run with `--json` printed for its error, and that a keeper answers with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJson = (document: unknown): Report => {
  const { source: _, ...error } = object(object(document)["error"])
  const { _tag, advice, exit_code, message, reason, ...details } = error
  return typeof _tag === "string" && typeof message === "string" && typeof advice === "string" &&
      typeof exit_code === "number"
    ? { tag: _tag, reason: typeof reason === "string" ? reason : null, message, advice, exitCode: exit_code, details }
    : unknown
}

/**
 * Reads it out of its text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Report => fromJson(decode(text))
