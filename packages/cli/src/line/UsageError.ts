/**
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The command line, its input or the configuration is wrong: change it. Never quotes a value that could be a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", {
  reason: Schema.Literal("Arguments", "Input", "Configuration"),
  message: Schema.String,
  advice: Schema.String
}) {}
