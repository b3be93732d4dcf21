/**
 * An access token as a keeper hands it out.
 *
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import type * as KeeperWire from "./KeeperWire.js"

/** Members that are known. */
const known = <A>(name: string, value: Option.Option<A>): Readonly<Record<string, A>> =>
  Option.match(value, { onNone: () => ({}), onSome: (one) => ({ [name]: one }) })

/**
 * The members of an account that are known.
 *
 * @since 0.1.0
 * @category rendering
 */
export const account = (
  self: Option.Option<{ readonly id: Option.Option<string>; readonly label: Option.Option<string> }>
): { readonly account?: { readonly id?: string; readonly label?: string } } =>
  Option.match(self, {
    onNone: () => ({}),
    onSome: ({ id, label }) => ({ account: { ...known("id", id), ...known("label", label) } })
  })

/**
 * Renders a token. `now` is milliseconds since the epoch; `store` is told to the user of the home alone.
 *
 * @since 0.1.0
 * @category rendering
 */
export const make = (token: AccessToken, options: {
  readonly now: number
  readonly store: string | undefined
}): KeeperWire.TokenAnswer => ({
  access_token: Redacted.value(token.token),
  token_type: token.tokenType,
  ...Option.match(token.expiresAt, {
    onNone: () => ({}),
    onSome: (at) => ({ expires_in: Math.max(0, Math.floor(at - options.now / 1000)), expires_at: at })
  }),
  ...known("scope", token.scope),
  ...known("resource", token.resource),
  tenant: token.tenant,
  ...account(token.account),
  generation: token.generation,
  ...(options.store === undefined ? {} : { store: options.store })
})

/**
 * Names an access token without holding it: the first 12 hex digits of its SHA-256.
 *
 * @since 0.1.0
 * @category getters
 */
export const fingerprint = (token: Redacted.Redacted): string =>
  Crypto.createHash("sha256").update(Redacted.value(token)).digest("hex").slice(0, 12)
