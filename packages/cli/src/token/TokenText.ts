/**
 * The forms in which an access token leaves the command, made of plain values: the start of the command writes them
 * before anything is loaded.
 *
 * @since 0.1.0
 */
import * as Printable from "@lockstep/core/Printable"
import * as ShellWord from "@lockstep/core/ShellWord"
import * as TokenType from "@lockstep/core/TokenType"

/**
 * `raw`: the token alone. `json`: everything but the refresh token. `header`: a line for an HTTP request.
 * `headers-json`: the same as an object, for clients that ask a command for their headers. `env`: an assignment for a shell
 * or an environment file. `git`: what a git credential helper answers to `get`. `kubernetes`: the
 * ExecCredential of a client-go credential plugin.
 *
 * @since 0.1.0
 * @category models
 */
export type TokenFormat = "raw" | "json" | "header" | "headers-json" | "env" | "git" | "kubernetes"

/**
 * Every form.
 *
 * @since 0.1.0
 * @category models
 */
export const all: readonly [TokenFormat, ...Array<TokenFormat>] = [
  "raw",
  "json",
  "header",
  "headers-json",
  "env",
  "git",
  "kubernetes"
]

/**
 * An access token as it is written down. Times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenText {
  readonly tenant: string
  readonly token: string
  readonly tokenType: string
  readonly expiresAt: number | null
  readonly account: { readonly id: string | null; readonly label: string | null } | null
  readonly generation: number
}

/** A git server that takes an OAuth token as a password wants this name, or takes any. */
const GIT_USER = "oauth2"

/** The last second that a date can name, in seconds since the epoch. */
const LAST_DATE = 8.64e12

/** A time in whole seconds; `undefined` where none is known, or it is one that no calendar reaches. */
const seconds = (at: number | null): number | undefined => {
  if (at === null) return undefined
  const whole = Math.floor(at)
  return Math.abs(whole) <= LAST_DATE ? whole : undefined
}

/**
 * Renders a token, without the end of its last line; only the form for git has more than one. `now` is milliseconds
 * since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (self: TokenText, options: {
  readonly format: TokenFormat
  /** `stored`, or the variable that holds the token. */
  readonly source: string
  /** The store that holds the token, where one does. */
  readonly store: string | null
  /** The user's name for git. `oauth2`. */
  readonly username?: string
  readonly now: number
}): string => {
  const { expiresAt, token, tokenType } = self
  const ends = seconds(expiresAt)
  switch (options.format) {
    case "raw":
      return token
    case "header":
      return `Authorization: ${TokenType.authorization(tokenType, token)}`
    case "headers-json":
      return JSON.stringify({ Authorization: TokenType.authorization(tokenType, token) })
    case "env":
      return `LOCKSTEP_TOKEN=${ShellWord.quote(token)}`
    case "git":
      return [
        `username=${options.username ?? GIT_USER}`,
        `password=${token}`,
        ...(ends === undefined ? [] : [`password_expiry_utc=${ends}`])
      ].join("\n")
    case "kubernetes":
      return JSON.stringify({
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: {
          token,
          // RFC 3339, to the second, as client-go writes it.
          ...(ends === undefined
            ? {}
            : { expirationTimestamp: `${new Date(ends * 1000).toISOString().slice(0, -".000Z".length)}Z` })
        }
      })
    case "json":
      return Printable.json({
        access_token: token,
        token_type: tokenType,
        expires_at: expiresAt,
        expires_in: expiresAt === null ? null : Math.max(0, Math.floor(expiresAt - options.now / 1000)),
        tenant: self.tenant,
        account: self.account,
        source: options.source,
        generation: options.store === null ? null : self.generation,
        store: options.store
      })
  }
}
