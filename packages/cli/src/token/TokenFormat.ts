/**
 * The forms in which an access token leaves the command.
 *
 * @since 0.1.0
 */
import type * as AccessToken from "@lockstep/core/AccessToken"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TokenText from "./TokenText.js"

export {
  /**
   * Every form.
   *
   * @since 0.1.0
   * @category models
   */
  all,
  /**
   * One of the forms.
   *
   * @since 0.1.0
   * @category models
   */
  type TokenFormat
} from "./TokenText.js"

/**
 * Renders a token, without the end of its last line. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (self: AccessToken.AccessToken, options: {
  readonly format: TokenText.TokenFormat
  /** `stored`, or the variable that holds the token. */
  readonly source: string
  /** The store that holds the token, where one does. */
  readonly store: Option.Option<string>
  /** The user's name for git. `oauth2`. */
  readonly username?: Option.Option<string>
  readonly now: number
}): string =>
  TokenText.render({
    tenant: self.tenant,
    token: Redacted.value(self.token),
    tokenType: self.tokenType,
    expiresAt: Option.getOrNull(self.expiresAt),
    account: Option.match(self.account, {
      onNone: () => null,
      onSome: ({ id, label }) => ({ id: Option.getOrNull(id), label: Option.getOrNull(label) })
    }),
    generation: self.generation
  }, {
    format: options.format,
    source: options.source,
    store: Option.getOrNull(options.store),
    now: options.now,
    ...Option.match(options.username ?? Option.none(), { onNone: () => ({}), onSome: (username) => ({ username }) })
  })
