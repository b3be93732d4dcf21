/**
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Account, Credential } from "./Credential.js"
import type { TenantId } from "./TenantId.js"

/**
 * What a caller is given: everything a request needs, and never the refresh token.
 *
 * @since 0.1.0
 * @category models
 */
export class AccessToken extends Data.Class<{
  readonly tenant: TenantId
  readonly token: Redacted.Redacted
  /** As the server wrote it; `Bearer` where it wrote nothing. */
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
      tokenType: Option.getOrElse(credential.tokenType, () => "Bearer"),
      scope: credential.scope,
      resource: credential.resource,
      expiresAt: credential.expiresAt,
      account: credential.account,
      generation: credential.generation
    }))
