/**
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Ends the command with an exit code after everything was said.
 *
 * @since 0.1.0
 * @category errors
 */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {}
