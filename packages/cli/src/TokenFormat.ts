/**
 * The forms in which an access token leaves the command.
 *
 * @since 0.1.0
 */
import type * as AccessToken from "@lockstep/core/AccessToken"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

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

const quote = (text: string): string => /^[\w.~+/=-]*$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/**
 * Renders a token as one line, without its ending. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (self: AccessToken.AccessToken, options: {
  readonly format: TokenFormat
  readonly store: string
  readonly now: number
}): string => {
  const token = Redacted.value(self.token)
  switch (options.format) {
    case "raw":
      return token
    case "header":
      return `Authorization: ${self.tokenType} ${token}`
    case "env":
      return `LOCKSTEP_TOKEN=${quote(token)}`
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
        source: "store",
        generation: self.generation,
        store: options.store
      })
    }
  }
}
