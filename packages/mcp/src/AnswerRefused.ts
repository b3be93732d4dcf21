/**
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const REASONS = {
  /** It names a state that this flow did not make (RFC 6749 section 10.12). */
  State: "belongs to another login",
  /** The server promises to name itself, and does not (RFC 9207 section 2.4). */
  IssuerMissing: "does not say which authorization server it comes from, although that server promises to",
  /** It names another server than the one that was asked (RFC 9207 section 2.4). */
  IssuerMismatch: "comes from another authorization server than the one that was asked",
  /** The server promises to name itself, and the program has not shown the answer to the provider. */
  Unchecked: "was not checked, although its server says where it comes from",
  /** The person or the server said no. */
  Denied: "says that the login was refused"
} as const

/**
 * An answer of an authorization server that no code is taken from: begin anew. Nothing was sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class AnswerRefused extends Schema.TaggedError<AnswerRefused>()("AnswerRefused", {
  tenant: Schema.String,
  reason: Schema.Literal("State", "IssuerMissing", "IssuerMismatch", "Unchecked", "Denied")
}) {
  override get message(): string {
    return `the answer to the login of ${this.tenant} ${REASONS[this.reason]}`
  }
  get advice(): string {
    return this.reason === "Unchecked"
      ? "take its code from `await authProvider.codeOf(address)`, and give that to `transport.finishAuth`"
      : "begin the login anew"
  }
}
