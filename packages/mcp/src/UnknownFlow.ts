/**
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An answer came back to a flow that was never begun, is over, or began too long ago: begin anew.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnknownFlow extends Schema.TaggedError<UnknownFlow>()("UnknownFlow", {
  tenant: Schema.String,
  flow: Schema.String
}) {
  override get message(): string {
    return `no login of ${this.tenant} waits for an answer in the flow ${this.flow}`
  }
  get advice(): string {
    return "begin the login anew, and end it with the provider of the same flow within 15 minutes"
  }
}
