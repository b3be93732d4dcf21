/**
 * @since 0.1.0
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Schema from "effect/Schema"

/**
 * A person must log in, and this program was given no way to send one to a browser: log in with the command, or say how
 * in `redirectToAuthorization`.
 *
 * @since 0.1.0
 * @category errors
 */
export class LoginRequired extends Schema.TaggedError<LoginRequired>()("LoginRequired", {
  tenant: Schema.String,
  /** The MCP server, without its query, which may hold a key. */
  serverUrl: Schema.String
}) {
  override get message(): string {
    return `${this.tenant} needs a login at ${this.serverUrl}, and this program opens no browser`
  }
  get advice(): string {
    return `log in with \`lockstep login ${ShellWord.quote(this.serverUrl)} --tenant ${ShellWord.quote(this.tenant)}\``
  }
}
