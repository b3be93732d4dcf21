/**
 * Names a refresh token without holding it: the first 12 hex digits of its SHA-256. Safe to log, enough to compare.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Credential, presented } from "./Credential.js"
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
 * Names what a credential's refresh shows to the server: its refresh token, or what a grant without a person asks with.
 * `None` where it holds neither.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofCredential = (host: Hash, credential: Credential): Option.Option<string> =>
  Option.map(presented(credential), (token) => of(host, token))
