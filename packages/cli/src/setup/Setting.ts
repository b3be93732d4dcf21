/**
 * What another program is to be told so that it asks Lockstep for its tokens.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { UsageError } from "../line/UsageError.js"

/**
 * How a setting stands: not there, there as it should be, there from another run of this command and due for a change, or
 * there and of another's making.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "absent" | "same" | "outdated" | "other"

/**
 * A setting of another program.
 *
 * @since 0.1.0
 * @category models
 */
export interface Setting {
  /** The file, or the command of the other program that keeps it. */
  readonly place: string
  readonly state: State
  /** What is to stand there, or the commands that put it there. No secret. */
  readonly text: string
  /** Puts it there. Only where the state asks for it. */
  readonly write: Effect.Effect<void, UsageError>
  /** What is left to a person, each a sentence. */
  readonly next: ReadonlyArray<string>
}
