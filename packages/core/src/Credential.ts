/**
 * @since 0.1.0
 */
import type * as Brand from "effect/Brand"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Freshness from "./Freshness.js"
import { optionalExpiry, optionalNumber, optionalSecret, optionalText } from "./internal/members.js"

/**
 * Whose login it is, as far as the vendor tells. `id` is compared, `label` is shown.
 *
 * @since 0.1.0
 * @category models
 */
export class Account extends Schema.Class<Account>("@lockstep/core/Account")({
  id: optionalText("id"),
  label: optionalText("label")
}) {}

/**
 * The stored record of one tenant. Encodes to the members of `auth.json`; times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export class Credential extends Schema.Class<Credential>("@lockstep/core/Credential")({
  vendor: optionalText("vendor"),
  issuer: optionalText("issuer"),
  tokenEndpoint: optionalText("token_endpoint"),
  revocationEndpoint: optionalText("revocation_endpoint"),
  clientId: optionalText("client_id"),
  clientSecret: optionalSecret("client_secret"),
  /** RFC 7591: when a dynamic registration ends. Nothing can be refreshed after that. */
  clientSecretExpiresAt: optionalExpiry("client_secret_expires_at"),
  /** RFC 7591: how this client proves itself at the token endpoint. */
  tokenEndpointAuthMethod: optionalText("token_endpoint_auth_method"),
  accessToken: optionalSecret("access_token"),
  refreshToken: optionalSecret("refresh_token"),
  idToken: optionalSecret("id_token"),
  tokenType: optionalText("token_type"),
  scope: optionalText("scope"),
  /** RFC 8707: whom the tokens are for. Sent again with every refresh, unless `resourceParameter` says `omit`. */
  resource: optionalText("resource"),
  /** `omit`: the server refuses the parameter `resource`, and a person has said so. The token is bound to it here. */
  resourceParameter: optionalText("resource_parameter"),
  /** A grant without a person (RFC 6749 section 4.4, RFC 7523): each refresh is a new one. `None`: the refresh token's. */
  grant: optionalText("grant"),
  /** RFC 8693: where, and as which client, an identity provider trades the id token for an assertion to this server. */
  subjectTokenEndpoint: optionalText("subject_token_endpoint"),
  subjectClientId: optionalText("subject_client_id"),
  /** What a person wants sent with the authorization request beside everything else, as a query: for the next login. */
  authorizeParameters: optionalText("authorize_parameters"),
  expiresAt: optionalExpiry("expires_at"),
  obtainedAt: optionalNumber("obtained_at"),
  /** The day on which the login itself ends, whatever is refreshed until then. */
  loginExpiresAt: optionalExpiry("login_expires_at"),
  account: Schema.optionalWith(Account, { as: "Option", nullable: true }).pipe(
    Schema.withConstructorDefault(() => Option.none<Account>())
  ),
  /** Plus one at every change; continues after a logout. */
  generation: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 0 }),
  /** The attempt that wrote this record, so that an intent of that attempt is known to be settled. */
  lastRedeem: optionalText("last_redeem")
}) {}

/** What one member reads as; `undefined` where only the schema can say. */
type Read = (value: unknown) => unknown

const orNone = (isGood: (value: unknown) => boolean): Read => (value) =>
  value === undefined || value === null ? Option.none() : isGood(value) ? Option.some(value) : undefined

const text = orNone((value) => typeof value === "string")
const number = orNone((value) => Number.isFinite(value))
const expiry = orNone((value) => Number.isFinite(value) && (value as number) > 0)
const generation: Read = (value) =>
  value === undefined ? 0 : Number.isSafeInteger(value) && (value as number) >= 0 ? value : undefined
// An empty token is damage in one store and none in another.
const secret: Read = (value) => {
  const known = value === "" ? undefined : text(value) as Option.Option<string> | undefined
  return known && Option.map(known, Redacted.make)
}

const readAll = (
  readers: ReadonlyArray<readonly [name: string, key: string, read: Read]>,
  record: Readonly<Record<string, unknown>>
): Record<string, unknown> | undefined => {
  const read: Record<string, unknown> = {}
  for (const [name, key, reader] of readers) {
    const value = reader(Object.hasOwn(record, key) ? record[key] : undefined)
    if (value === undefined) return undefined
    read[name] = value
  }
  return read
}

type Readers<A> = { readonly [Name in keyof A]: readonly [key: string, read: Read] }

const listed = <A>(readers: Readers<A>) =>
  Object.entries<readonly [string, Read]>(readers).map(([name, [key, read]]) => [name, key, read] as const)

const ACCOUNT = listed<typeof Account.fields>({ id: ["id", text], label: ["label", text] })

const account: Read = (value) => {
  if (value === undefined || value === null) return Option.none()
  if (typeof value !== "object" || Array.isArray(value)) return undefined
  const read = readAll(ACCOUNT, value as Readonly<Record<string, unknown>>)
  return read && Option.some(new Account(read as never, true))
}

const CREDENTIAL = listed<typeof Credential.fields>({
  vendor: ["vendor", text],
  issuer: ["issuer", text],
  tokenEndpoint: ["token_endpoint", text],
  revocationEndpoint: ["revocation_endpoint", text],
  clientId: ["client_id", text],
  clientSecret: ["client_secret", secret],
  clientSecretExpiresAt: ["client_secret_expires_at", expiry],
  tokenEndpointAuthMethod: ["token_endpoint_auth_method", text],
  accessToken: ["access_token", secret],
  refreshToken: ["refresh_token", secret],
  idToken: ["id_token", secret],
  tokenType: ["token_type", text],
  scope: ["scope", text],
  resource: ["resource", text],
  resourceParameter: ["resource_parameter", text],
  grant: ["grant", text],
  subjectTokenEndpoint: ["subject_token_endpoint", text],
  subjectClientId: ["subject_client_id", text],
  authorizeParameters: ["authorize_parameters", text],
  expiresAt: ["expires_at", expiry],
  obtainedAt: ["obtained_at", number],
  loginExpiresAt: ["login_expires_at", expiry],
  account: ["account", account],
  generation: ["generation", generation],
  lastRedeem: ["last_redeem", text]
})

/**
 * Reads a record as the schema decodes it, for the cost of looking at its members: every process that waits for a refresh
 * reads the record once, and all of them at the same moment. `None` where the schema has to say what is wrong, or whether
 * anything is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRecord = (record: Readonly<Record<string, unknown>>): Option.Option<Credential> => {
  const read = readAll(CREDENTIAL, record)
  return read === undefined ? Option.none() : Option.some(new Credential(read as never, true))
}

/**
 * Says which record a write replaces. Opaque; compared for *different*, never for *greater*.
 *
 * @since 0.1.0
 * @category models
 */
export type Version = string & Brand.Brand<"@lockstep/core/Version">

/**
 * A credential together with the version that a compare-and-swap names.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stored {
  readonly credential: Credential
  readonly version: Version
}

/**
 * Brands a store's version text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Version = (text: string): Version => text as Version

/**
 * The freshness-relevant part of a credential.
 *
 * @since 0.1.0
 * @category getters
 */
export const lifetime = (credential: Credential): Freshness.Lifetime => ({
  expiresAt: Option.getOrNull(credential.expiresAt),
  obtainedAt: Option.getOrNull(credential.obtainedAt)
})

/**
 * The account id, where the vendor tells one.
 *
 * @since 0.1.0
 * @category getters
 */
export const accountId = (credential: Credential): Option.Option<string> =>
  Option.flatMap(credential.account, (account) => account.id)

/**
 * Whether two credentials are known to belong to different accounts. An unknown id is never a difference.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOtherAccount = (self: Credential, that: Credential): boolean =>
  Option.isSome(Option.filter(
    Option.zipWith(accountId(self), accountId(that), (a, b) => a !== b),
    (different) => different
  ))

/**
 * What a refresh shows to the server, and what its journal is about: the refresh token, or for a grant without a person the
 * client, its proof and whom it speaks for. Another proof is another login.
 *
 * @since 0.1.0
 * @category getters
 */
export const presented = (credential: Credential): Option.Option<Redacted.Redacted> =>
  Option.match(credential.grant, {
    onNone: () => credential.refreshToken,
    onSome: (grant) =>
      Option.some(Redacted.make(JSON.stringify([
        grant,
        ...[credential.issuer, credential.tokenEndpoint, credential.clientId].map(Option.getOrNull),
        ...[credential.clientSecret, credential.idToken].map((secret) =>
          Option.getOrNull(Option.map(secret, Redacted.value))
        )
      ])))
  })

const sameSecret = Option.getEquivalence(Redacted.getEquivalence<string>((a, b) => a === b))

/**
 * Whether both hold the same secret, or both hold none.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSameSecret = (
  self: Option.Option<Redacted.Redacted>,
  that: Option.Option<Redacted.Redacted>
): boolean => sameSecret(self, that)
