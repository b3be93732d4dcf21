/**
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Account, Credential } from "./Credential.js"
import type { TenantId } from "./TenantId.js"
import * as TokenType from "./TokenType.js"

/**
 * What a caller is given: everything a request needs, and never the refresh token.
 *
 * @since 0.1.0
 * @category models
 */
export class AccessToken extends Data.Class<{
  readonly tenant: TenantId
  readonly token: Redacted.Redacted
  /** As the server wrote it; `Bearer` where it wrote that in any case (RFC 6749 section 5.1), or nothing. */
  readonly tokenType: string
  readonly scope: Option.Option<string>
  /** RFC 8707: the resource that it was asked for, whose origin it may be sent to. */
  readonly resource: Option.Option<string>
  /** Seconds since the epoch. */
  readonly expiresAt: Option.Option<number>
  readonly account: Option.Option<Account>
  readonly generation: number
}> {}

/**
 * Whether a token is worth nothing in a bearer header, because its type wants a proof of possession beside it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isProven = ({ tokenType }: AccessToken): boolean => TokenType.isProven(tokenType)

/**
 * The value of `Authorization`. Every type that wants no proof is a bearer token, also one that a server calls `user` or
 * `access_token`.
 *
 * @since 0.1.0
 * @category rendering
 */
export const authorization = (self: AccessToken): string =>
  TokenType.authorization(self.tokenType, Redacted.value(self.token))

/**
 * Reads the access token out of a credential, if it holds one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCredential = (tenant: TenantId, credential: Credential): Option.Option<AccessToken> =>
  Option.map(credential.accessToken, (token) =>
    new AccessToken({
      tenant,
      token,
      tokenType: TokenType.make(Option.getOrNull(credential.tokenType)),
      scope: credential.scope,
      resource: credential.resource,
      expiresAt: credential.expiresAt,
      account: credential.account,
      generation: credential.generation
    }))
