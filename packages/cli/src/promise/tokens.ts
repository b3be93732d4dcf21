/**
 * What tokens and logins look like to programs that await.
 *
 * @since 0.1.0
 */
import * as AccessTokens from "@lockstep/core/AccessToken"
import type * as Credential from "@lockstep/core/Credential"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AccessToken, Account } from "./Lockstep.js"

/**
 * Seconds since the epoch as a date.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dateOf = (seconds: Option.Option<number>): Date | undefined =>
  Option.getOrUndefined(Option.map(seconds, (at) => new Date(at * 1000)))

/**
 * An account as a plain object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const accountOf = (account: Option.Option<Credential.Account>): Account | undefined =>
  Option.getOrUndefined(
    Option.map(account, ({ id, label }) => ({ id: Option.getOrUndefined(id), label: Option.getOrUndefined(label) }))
  )

/** Getters of a prototype are neither printed by `console.log` nor written by `JSON.stringify`. */
class Handed implements AccessToken {
  readonly tenant: string
  readonly tokenType: string
  readonly scope: string | undefined
  readonly resource: string | undefined
  readonly expiresAt: Date | undefined
  readonly account: Account | undefined
  readonly generation: number
  readonly #token: AccessTokens.AccessToken

  constructor(token: AccessTokens.AccessToken) {
    this.tenant = token.tenant
    this.tokenType = token.tokenType
    this.scope = Option.getOrUndefined(token.scope)
    this.resource = Option.getOrUndefined(token.resource)
    this.expiresAt = dateOf(token.expiresAt)
    this.account = accountOf(token.account)
    this.generation = token.generation
    this.#token = token
  }

  get token(): string {
    return Redacted.value(this.#token.token)
  }

  get authorization(): string {
    return AccessTokens.authorization(this.#token)
  }
}

/**
 * A token as it is handed out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handed = (token: AccessTokens.AccessToken): AccessToken => new Handed(token)
