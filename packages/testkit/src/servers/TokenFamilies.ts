/**
 * The memory of a strict authorization server: every refresh token is good for one use, and a used one that comes back
 * ends everything that descends from the same login (RFC 9700, section 4.14.2).
 *
 * @since 0.1.0
 */
import * as FakeToken from "../FakeToken.js"

/**
 * A login as its client got it.
 *
 * @since 0.1.0
 * @category models
 */
export interface IssuedTokens {
  readonly family: number
  readonly accessToken: string
  readonly refreshToken: string
  /** Seconds. */
  readonly expiresIn: number
}

/**
 * What presenting a refresh token did. `Refused`: never issued, or its family is revoked already.
 *
 * @since 0.1.0
 * @category models
 */
export type Presented =
  | { readonly _tag: "Redeemed"; readonly tokens: IssuedTokens }
  | { readonly _tag: "Reused"; readonly family: number }
  | { readonly _tag: "Refused" }

/**
 * All logins of a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenFamilies {
  /** Starts a login. `accessTokenTtl` in seconds. */
  readonly issue: (accessTokenTtl?: number) => IssuedTokens
  readonly present: (refreshToken: string) => Presented
  /** A further access token of a live refresh token, which stays as it is. */
  readonly extend: (refreshToken: string) => Presented
  /** Revokes the family of a refresh token, or one access token. Answers what was ended, if anything. */
  readonly revoke: (token: string) => "Family" | "AccessToken" | "Nothing"
  /** Whether a refresh token can be redeemed, or an access token be used. */
  readonly isLive: (token: string) => boolean
  /** Whether the latest access token of this refresh token's family is still valid. */
  readonly hasValidAccess: (refreshToken: string) => boolean
}

interface Family {
  readonly id: number
  readonly accessTokenTtl: number
  revoked: boolean
  accessExpiresAt: number
}

/**
 * Makes the memory of a server without logins. Without `rotates`, a refresh token stays good.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: { readonly rotates: boolean; readonly accessTokenTtl: number }): TokenFamilies => {
  const refreshTokens = new Map<string, { readonly family: Family; used: boolean }>()
  const accessTokens = new Map<string, { readonly family: Family; readonly expiresAt: number; revoked: boolean }>()
  let families = 0

  const grant = (family: Family, kept?: string): IssuedTokens => {
    const accessToken = FakeToken.make("at")
    const refreshToken = kept ?? FakeToken.make("rt")
    family.accessExpiresAt = Date.now() + family.accessTokenTtl * 1000
    accessTokens.set(accessToken, { family, expiresAt: family.accessExpiresAt, revoked: false })
    if (kept === undefined) refreshTokens.set(refreshToken, { family, used: false })
    return { family: family.id, accessToken, refreshToken, expiresIn: family.accessTokenTtl }
  }

  const present = (refreshToken: string, keep: boolean): Presented => {
    const found = refreshTokens.get(refreshToken)
    if (found === undefined || found.family.revoked) return { _tag: "Refused" }
    if (found.used) {
      found.family.revoked = true
      return { _tag: "Reused", family: found.family.id }
    }
    if (keep) return { _tag: "Redeemed", tokens: grant(found.family, refreshToken) }
    found.used = true
    return { _tag: "Redeemed", tokens: grant(found.family) }
  }

  return {
    issue: (accessTokenTtl = options.accessTokenTtl) =>
      grant({ id: ++families, accessTokenTtl, revoked: false, accessExpiresAt: 0 }),
    present: (refreshToken) => present(refreshToken, !options.rotates),
    extend: (refreshToken) => present(refreshToken, true),
    revoke: (token) => {
      const refresh = refreshTokens.get(token)
      const access = accessTokens.get(token)
      if (refresh !== undefined) {
        refresh.family.revoked = true
        return "Family"
      }
      if (access === undefined) return "Nothing"
      access.revoked = true
      return "AccessToken"
    },
    isLive: (token) => {
      const refresh = refreshTokens.get(token)
      const access = accessTokens.get(token)
      if (refresh !== undefined) return !refresh.used && !refresh.family.revoked
      return access !== undefined && !access.revoked && !access.family.revoked && Date.now() < access.expiresAt
    },
    hasValidAccess: (refreshToken) => (refreshTokens.get(refreshToken)?.family.accessExpiresAt ?? 0) > Date.now()
  }
}
