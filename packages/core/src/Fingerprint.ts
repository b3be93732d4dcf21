/**
 * Names a refresh token without holding it: the first 12 hex digits of its SHA-256. Safe to log, enough to compare.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { Credential } from "./Credential.js"
import type { Host } from "./Host.js"

type Hash = Pick<Host["Type"], "sha256">

/**
 * Names a refresh token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (host: Hash, token: Redacted.Redacted): string => host.sha256(Redacted.value(token)).slice(0, 12)

/**
 * Names the refresh token that a credential holds; `None` where it holds none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofCredential = (host: Hash, { refreshToken }: Credential): Option.Option<string> =>
  Option.map(refreshToken, (token) => of(host, token))
