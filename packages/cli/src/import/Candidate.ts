/**
 * A login that another tool keeps, with what its vendor's descriptor adds to what the file says.
 *
 * @since 0.1.0
 */
import { Account, Credential } from "@lockstep/core/Credential"
import * as JsonObject from "@lockstep/oauth/JsonObject"
import * as JsonWebToken from "@lockstep/oauth/JsonWebToken"
import type { OAuthVendor } from "@lockstep/oauth/OAuthVendor"
import type { ToolEntry } from "@lockstep/tools/imports/ToolEntry"
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * What may come of a refresh token once it is copied.
 *
 * - `None`: the tool has no refresh token.
 * - `Useless`: nothing says where, or as whom, it is to be sent.
 * - `Stays`: it is not exchanged for another one, so that both copies go on working.
 * - `Rotates`: it is good for one use. The program that uses it first logs the other one out.
 *
 * @since 0.1.0
 * @category models
 */
export type Refreshing = "None" | "Useless" | "Stays" | "Rotates"

/**
 * One login that was found.
 *
 * @since 0.1.0
 * @category models
 */
export class Candidate extends Data.Class<{
  readonly name: string
  readonly path: string
  readonly suggestion: Option.Option<string>
  readonly credential: Credential
  readonly refreshing: Refreshing
}> {}

const answerOf = (credential: Credential): JsonObject.JsonObject => {
  const value = (token: Option.Option<Redacted.Redacted>) => Option.getOrUndefined(Option.map(token, Redacted.value))
  return { access_token: value(credential.accessToken), id_token: value(credential.idToken) }
}

/** Two halves of what is known of one account: the file often has the id, and the tokens the name. */
const merged = (told: Option.Option<Account>, read: Option.Option<Account>): Option.Option<Account> => {
  if (Option.isNone(told) || Option.isNone(read)) return Option.orElse(told, () => read)
  const isSame = Option.getOrElse(Option.zipWith(told.value.id, read.value.id, (a, b) => a === b), () => true)
  return isSame
    ? Option.some(Account.make({
      id: Option.orElse(told.value.id, () => read.value.id),
      label: Option.orElse(told.value.label, () => read.value.label)
    }))
    : told
}

/** The token's own word, which also tells that it has ended. */
const expiryOf = (credential: Credential, vendor: OAuthVendor): Option.Option<number> =>
  vendor.expiry.includes("jwt_exp")
    ? credential.accessToken.pipe(
      Option.flatMap((token) => JsonWebToken.claims(Redacted.value(token))),
      Option.flatMap((claims) => JsonObject.number(claims, "exp")),
      Option.filter((at) => at > 0)
    )
    : Option.none()

const refreshingOf = (credential: Credential, vendor: OAuthVendor): Refreshing => {
  if (Option.isNone(credential.refreshToken)) return "None"
  const server = [credential.tokenEndpoint, credential.issuer, vendor.tokenEndpoint, vendor.issuer]
  const client = [credential.clientId, vendor.clientId]
  if (vendor.renewal === "never" || server.every(Option.isNone) || client.every(Option.isNone)) return "Useless"
  return vendor.rotates ? "Rotates" : "Stays"
}

/**
 * Makes a candidate of an entry. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  entry: Extract<ToolEntry, { readonly _tag: "Login" }>,
  path: string,
  vendor: OAuthVendor,
  now: number
): Candidate => {
  const { credential } = entry
  return new Candidate({
    name: entry.name,
    path,
    suggestion: entry.suggestion,
    credential: Credential.make({
      ...credential,
      expiresAt: Option.orElse(credential.expiresAt, () => expiryOf(credential, vendor)),
      obtainedAt: Option.orElseSome(credential.obtainedAt, () => Math.floor(now / 1000)),
      account: merged(credential.account, vendor.account(answerOf(credential))),
      generation: 0,
      lastRedeem: Option.none()
    }),
    refreshing: refreshingOf(credential, vendor)
  })
}

/**
 * The credential without what refreshes it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const accessTokenOnly = ({ credential }: Candidate): Credential =>
  Credential.make({ ...credential, refreshToken: Option.none() })
