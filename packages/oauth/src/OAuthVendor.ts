/**
 * What one vendor does differently from RFC 6749, as data. A new vendor is one small file; the driver has no `if` for
 * any of them.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { ExpirySource } from "./Expiry.js"
import * as JsonObject from "./JsonObject.js"
import * as JsonWebToken from "./JsonWebToken.js"

/**
 * How a request body is written.
 *
 * @since 0.1.0
 * @category models
 */
export type BodyEncoding = "form" | "json"

/**
 * What an error code means for the login.
 *
 * The first three end it: a person must log in again. `InvalidClient`, `Entitlement` and `Protocol` are refusals that no
 * login cures. `RateLimited` and `ServerError` pass.
 *
 * @since 0.1.0
 * @category models
 */
export type ErrorMeaning =
  | "InvalidGrant"
  | "LoginExpired"
  | "RegistrationExpired"
  | "InvalidClient"
  | "Entitlement"
  | "Protocol"
  | "RateLimited"
  | "ServerError"

/**
 * How tokens are revoked. `clientIdWith` lists the token kinds whose request names the client.
 *
 * @since 0.1.0
 * @category models
 */
export interface RevocationStyle {
  readonly encoding: BodyEncoding
  readonly clientIdWith: ReadonlyArray<"refresh_token" | "access_token">
}

/**
 * How a client proves itself (RFC 7591 `token_endpoint_auth_method`). `auto` follows the server's metadata, and RFC 6749
 * where there is none: HTTP Basic with a secret, nothing without.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientAuthMethod = "auto" | "none" | "client_secret_basic" | "client_secret_post"

/**
 * One vendor.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthVendor {
  /** The namespace: what a record's `vendor` names. */
  readonly id: string
  /** Used where the record names none; discovery starts here. */
  readonly issuer: Option.Option<string>
  readonly tokenEndpoint: Option.Option<string>
  readonly revocationEndpoint: Option.Option<string>
  readonly clientId: Option.Option<string>
  readonly clientAuth: ClientAuthMethod
  readonly refreshEncoding: BodyEncoding
  /** Sent beside what RFC 6749 asks for. Scope is left out: what was granted stays granted. */
  readonly refreshParameters: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Where the expiry is read, the best source first. */
  readonly expiry: ReadonlyArray<ExpirySource>
  /** The member that holds the seconds until the login itself ends, where no refresh extends it. */
  readonly loginExpiresIn: Option.Option<string>
  /** Whose tokens an answer holds. */
  readonly account: (answer: JsonObject.JsonObject) => Option.Option<Account>
  /** By code, in lower case. */
  readonly errors: ReadonlyMap<string, ErrorMeaning>
  /** By status, where a refusal has no code that says more. */
  readonly statuses: ReadonlyMap<number, ErrorMeaning>
  /** Whether a refresh may retire the refresh token. */
  readonly rotates: boolean
  /** Whether the logins of one client revoke each other when they rotate. */
  readonly siblingsRevoke: boolean
  /** Validity that a served token should have left, in place of the policy's. */
  readonly margin: Option.Option<Duration.Duration>
  readonly revocation: Option.Option<RevocationStyle>
}

/**
 * Names an account, where at least an id or a label is known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const account = (id: Option.Option<string>, label: Option.Option<string>): Option.Option<Account> =>
  Option.isNone(id) && Option.isNone(label) ? Option.none() : Option.some(Account.make({ id, label }))

/** OpenID Connect: `sub` of the id token. */
const idTokenAccount = (answer: JsonObject.JsonObject): Option.Option<Account> =>
  JsonObject.text(answer, "id_token").pipe(
    Option.flatMap(JsonWebToken.claims),
    Option.flatMap((claims) =>
      account(
        JsonObject.text(claims, "sub"),
        Option.orElse(JsonObject.text(claims, "email"), () => JsonObject.text(claims, "preferred_username"))
      )
    )
  )

/**
 * What error codes mean in RFC 6749, RFC 8707, OpenID Connect and common practice.
 *
 * @since 0.1.0
 * @category defaults
 */
export const errors: ReadonlyMap<string, ErrorMeaning> = new Map<string, ErrorMeaning>([
  ["invalid_grant", "InvalidGrant"],
  // The person is asked for: consent, a second factor, a new session.
  ["interaction_required", "InvalidGrant"],
  ["login_required", "InvalidGrant"],
  ["consent_required", "InvalidGrant"],
  ["invalid_client", "InvalidClient"],
  ["unauthorized_client", "InvalidClient"],
  ["access_denied", "Entitlement"],
  ["insufficient_scope", "Entitlement"],
  ["permission_error", "Entitlement"],
  ["invalid_request", "Protocol"],
  ["invalid_scope", "Protocol"],
  ["invalid_target", "Protocol"],
  ["unsupported_grant_type", "Protocol"],
  ["slow_down", "RateLimited"],
  ["rate_limit_error", "RateLimited"],
  ["rate_limit_exceeded", "RateLimited"],
  ["temporarily_unavailable", "ServerError"],
  ["server_error", "ServerError"],
  ["overloaded_error", "ServerError"]
])

/**
 * Any server that follows RFC 6749, more or less.
 *
 * @since 0.1.0
 * @category vendors
 */
export const generic: OAuthVendor = {
  id: "generic",
  issuer: Option.none(),
  tokenEndpoint: Option.none(),
  revocationEndpoint: Option.none(),
  clientId: Option.none(),
  clientAuth: "auto",
  refreshEncoding: "form",
  refreshParameters: {},
  headers: { "user-agent": "lockstep" },
  expiry: ["expires_in", "expires_at", "jwt_exp"],
  loginExpiresIn: Option.none(),
  account: idTokenAccount,
  errors,
  statuses: new Map([[401, "InvalidClient"], [403, "Entitlement"], [408, "ServerError"]]),
  rotates: true,
  siblingsRevoke: false,
  margin: Option.none(),
  revocation: Option.some({ encoding: "form", clientIdWith: ["refresh_token", "access_token"] })
}

/**
 * Describes a vendor by what it does differently. Its headers, error codes and statuses are added to the generic
 * ones.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (differences: Partial<OAuthVendor> & { readonly id: string }): OAuthVendor => ({
  ...generic,
  ...differences,
  headers: { ...generic.headers, ...differences.headers },
  errors: new Map([...generic.errors, ...differences.errors ?? []]),
  statuses: new Map([...generic.statuses, ...differences.statuses ?? []])
})
