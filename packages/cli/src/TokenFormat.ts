/**
 * The forms in which an access token leaves the command.
 *
 * @since 0.1.0
 */
import * as AccessToken from "@lockstep/core/AccessToken"
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * `raw`: the token alone. `json`: everything but the refresh token. `header`: a line for an HTTP request.
 * `headers-json`: the same as an object, for clients that ask a command for their headers. `env`: an
 * assignment for a shell or an environment file. `git`: what a git credential helper answers to `get`. `kubernetes`: the
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

/** A git server that takes an OAuth token as a password wants this name, or takes any. */
const GIT_USER = "oauth2"

/**
 * Renders a token, without the end of its last line; only the form for git has more than one. `now` is milliseconds
 * since the epoch.
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
      return `Authorization: ${AccessToken.authorization(self)}`
    case "headers-json":
      return JSON.stringify({ Authorization: AccessToken.authorization(self) })
    case "env":
      return `LOCKSTEP_TOKEN=${ShellWord.quote(token)}`
    case "git":
      return [
        `username=${GIT_USER}`,
        `password=${token}`,
        ...Option.match(self.expiresAt, { onNone: () => [], onSome: (at) => [`password_expiry_utc=${Math.floor(at)}`] })
      ].join("\n")
    case "kubernetes":
      return JSON.stringify({
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: {
          token,
          ...Option.match(self.expiresAt, {
            onNone: () => ({}),
            // RFC 3339, to the second, as client-go writes it.
            onSome: (at) => ({ expirationTimestamp: `${new Date(Math.floor(at) * 1000).toISOString().slice(0, 19)}Z` })
          })
        }
      })
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
