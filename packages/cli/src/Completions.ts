/**
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { UsageError } from "./UsageError.js"

const OPTION = "--completions"

const SHELLS: ReadonlyArray<string> = ["bash", "fish", "sh", "zsh"]

/**
 * Reads `lockstep completions SHELL`, as many commands have it, as the parser's own `--completions SHELL`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lineOf = (line: ReadonlyArray<string>): ReadonlyArray<string> =>
  line[0] === "completions" ? [OPTION, line[1] ?? "", ...line.slice(2)] : line

/**
 * Finds a shell that is missing, or that has no script.
 *
 * @since 0.1.0
 * @category getters
 */
export const faultOf = (args: ReadonlyArray<string>): Option.Option<UsageError> => {
  const at = args.indexOf(OPTION)
  return at === -1 || SHELLS.includes(args[at + 1] ?? "")
    ? Option.none()
    : Option.some(
      new UsageError({
        reason: "Arguments",
        message: "completions: the name of a shell is expected",
        advice: `use one of ${SHELLS.map((shell) => `\`lockstep completions ${shell}\``).join(", ")}`
      })
    )
}
