/**
 * The forms in which an access token leaves the command.
 *
 * @since 0.1.0
 */
import type * as AccessToken from "@lockstep/core/AccessToken"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ShellWord from "./ShellWord.js"

/**
 * `raw`: the token alone. `json`: everything but the refresh token. `header`: a line for an HTTP request. `env`: an
 * assignment for a shell or an environment file.
 *
 * @since 0.1.0
 * @category models
 */
export type TokenFormat = "raw" | "json" | "header" | "env"

/**
 * Every form.
 *
 * @since 0.1.0
 * @category models
 */
export const all: readonly [TokenFormat, ...Array<TokenFormat>] = ["raw", "json", "header", "env"]

/**
 * Renders a token as one line, without its ending. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (self: AccessToken.AccessToken, options: {
  readonly format: TokenFormat
  /** `stored`, or the variable that holds the token. */
  readonly source: string
  /** The store that holds the token, where one does. */
  readonly store: Option.Option<string>
  readonly now: number
}): string => {
  const token = Redacted.value(self.token)
  switch (options.format) {
    case "raw":
      return token
    case "header":
      return `Authorization: ${self.tokenType} ${token}`
    case "env":
      return `LOCKSTEP_TOKEN=${ShellWord.quote(token)}`
    case "json": {
      const expiresAt = Option.getOrNull(self.expiresAt)
      return JSON.stringify({
        access_token: token,
        token_type: self.tokenType,
        expires_at: expiresAt,
        expires_in: expiresAt === null ? null : Math.max(0, Math.floor(expiresAt - options.now / 1000)),
        tenant: self.tenant,
        account: Option.match(self.account, {
          onNone: () => null,
          onSome: ({ id, label }) => ({ id: Option.getOrNull(id), label: Option.getOrNull(label) })
        }),
        source: options.source,
        generation: Option.isSome(options.store) ? self.generation : null,
        store: Option.getOrNull(options.store)
      })
    }
  }
}
