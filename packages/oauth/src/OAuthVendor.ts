/**
 * What one vendor does differently from RFC 6749, as data. A new vendor is one small file; the driver has no `if` for
 * any of them.
 *
 * @since 0.1.0
 */
import { Account } from "@lockstep/core/Credential"
import * as Issuer from "@lockstep/core/Issuer"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as DeviceGrant from "./DeviceGrant.js"
import type { ExpirySource } from "./Expiry.js"
import * as JsonObject from "./JsonObject.js"
import * as JsonWebToken from "./JsonWebToken.js"
import type { SourceVariable } from "./SourceVariables.js"
import type { Spelling } from "./Spelling.js"

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
 * How tokens are revoked. `clientIdWith` lists the token kinds whose request names the client, and proves it where it can.
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
 * without metadata: HTTP Basic with a secret, nothing without.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientAuthMethod = "auto" | "none" | "client_secret_basic" | "client_secret_post"

/**
 * How a person logs in. `browser`: the answer comes back to a port of this machine. `paste`: a person carries it over.
 * `device`: the server is polled (RFC 8628, or the vendor's variant). `key`: the vendor hands over a sealed API key.
 * `client`: no person is asked; the client proves itself.
 *
 * @since 0.1.0
 * @category models
 */
export type LoginMethod = "browser" | "paste" | "device" | "key" | "client"

/**
 * Where an authorization answer goes (RFC 8252).
 *
 * @since 0.1.0
 * @category models
 */
export interface Redirect {
  /** How the redirect address names this machine; it listens on both loopback addresses. */
  readonly host: "localhost" | "127.0.0.1"
  /** Tried in this order. 0 is any free port. */
  readonly ports: readonly [number, ...Array<number>]
  readonly path: string
  /** A page of the vendor that shows the code to a person, in place of a port of this machine. */
  readonly page: Option.Option<string>
}

/**
 * How an access token is renewed.
 *
 * `grant`: RFC 6749 section 6. `bearer`: a GET of the token endpoint that shows the login's own token, which stays.
 * `never`: what the login gave is all there is.
 *
 * @since 0.1.0
 * @category models
 */
export type Renewal = "grant" | "bearer" | "never"

/**
 * A variable that holds a credential for this vendor.
 *
 * @since 0.1.0
 * @category models
 */
export type EnvironmentVariable = SourceVariable

/**
 * What a person should know before logging in with another program than the vendor's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Terms {
  /** One sentence, and where it was read. */
  readonly note: string
  /** What the vendor documents for other programs: an API key, a setup token. */
  readonly alternative: string
  /** Whether the terms reserve this login, so that a person must accept the risk once per tenant. */
  readonly reserved: boolean
}

/**
 * Addresses of an authorization server, by the names of RFC 8414. What is missing is discovered, or not offered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Endpoints {
  readonly authorizationEndpoint: Option.Option<string>
  readonly tokenEndpoint: Option.Option<string>
  readonly deviceAuthorizationEndpoint: Option.Option<string>
  readonly registrationEndpoint: Option.Option<string>
  readonly revocationEndpoint: Option.Option<string>
  /**
   * Asked with the login's own token where the login's answer names no account; what it answers goes to `account`. Best
   * effort.
   */
  readonly accountEndpoint: Option.Option<string>
}

/**
 * How long things live, in words for a person, as far as it was seen. Nothing is decided by it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lifetimes {
  readonly accessToken: Option.Option<string>
  readonly login: Option.Option<string>
}

/**
 * One vendor.
 *
 * @since 0.1.0
 * @category models
 */
export interface OAuthVendor extends Endpoints {
  /** The namespace: what a record's `vendor` names, and the vendor's default tenant. */
  readonly id: string
  /** For people: `OpenAI Codex (ChatGPT login)`. */
  readonly name: string
  /**
   * Whether a server is held to the rules of MCP: its document names, letter for letter, the issuer that was asked, it
   * promises PKCE with S256 in so many words, and only named scopes are asked for.
   */
  readonly strict: boolean
  /** Used where the record names none; discovery starts here. */
  readonly issuer: Option.Option<string>
  /** The endpoints of the same vendor at another issuer (an enterprise domain, a region), where they follow from it. */
  readonly relocate: (issuer: URL) => Partial<Endpoints>
  readonly clientId: Option.Option<string>
  /** Variables of the vendor's own that name another client, after `LOCKSTEP_<VENDOR>_CLIENT_ID`. */
  readonly clientIdVariables: ReadonlyArray<string>
  readonly clientAuth: ClientAuthMethod
  /**
   * Where a person gets the client secret, for a vendor that needs one which is not ours to publish. It comes from
   * `LOCKSTEP_<VENDOR>_CLIENT_SECRET` or the vendor settings.
   */
  readonly clientSecretSource: Option.Option<string>

  /** How a person may log in, the preferred way first. */
  readonly methods: ReadonlyArray<LoginMethod>
  readonly redirect: Redirect
  readonly scopes: ReadonlyArray<string>
  /** Sent with the authorization request beside what RFC 6749, RFC 7636 and OpenID Connect ask for. */
  readonly authorizeParameters: Readonly<Record<string, string>>
  readonly exchangeEncoding: BodyEncoding
  /** Whether the code exchange repeats `state`, and the code is pasted as `code#state`. */
  readonly stateInExchange: boolean
  /** The device grant, where the vendor has one. */
  readonly device: Option.Option<DeviceGrant.DeviceGrant>
  /** Whether the login's own token is what renews access tokens, and no access token itself (`Renewal` `bearer`). */
  readonly renewal: Renewal

  readonly refreshEncoding: BodyEncoding
  /** Sent beside what RFC 6749 asks for. Scope is left out: what was granted stays granted. */
  readonly refreshParameters: Readonly<Record<string, string>>
  /** How members are spelled in JSON bodies, both ways. */
  readonly spelling: Spelling
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Brings an answer of the token endpoint into the form of RFC 6749, where it is not. */
  readonly normalize: (answer: JsonObject.JsonObject) => JsonObject.JsonObject
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
  readonly lifetimes: Lifetimes

  /** Variables that stand in for the default tenant's login, in the order in which they win. */
  readonly environment: ReadonlyArray<EnvironmentVariable>
  readonly terms: Option.Option<Terms>
}

/**
 * Names an account, where at least an id or a label is known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const account = (id: Option.Option<string>, label: Option.Option<string>): Option.Option<Account> =>
  Option.isNone(id) && Option.isNone(label) ? Option.none() : Option.some(Account.make({ id, label }))

/**
 * Reads the account of OpenID Connect: `sub` of the id token.
 *
 * @since 0.1.0
 * @category getters
 */
export const idTokenAccount = (answer: JsonObject.JsonObject): Option.Option<Account> =>
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
  // Slack, Supabase and others; what has `refresh_token` in it is read by `Refusal`.
  ["invalid_token", "InvalidGrant"],
  ["token_expired", "InvalidGrant"],
  ["token_revoked", "InvalidGrant"],
  ["session_expired", "InvalidGrant"],
  ["session_not_found", "InvalidGrant"],
  ["invalid_client", "InvalidClient"],
  ["incorrect_client_credentials", "InvalidClient"],
  ["invalid_client_id", "InvalidClient"],
  ["bad_client_secret", "InvalidClient"],
  ["unauthorized_client", "InvalidClient"],
  ["access_denied", "Entitlement"],
  ["insufficient_scope", "Entitlement"],
  ["permission_error", "Entitlement"],
  ["invalid_request", "Protocol"],
  ["invalid_scope", "Protocol"],
  ["invalid_target", "Protocol"],
  ["unsupported_grant_type", "Protocol"],
  ["slow_down", "RateLimited"],
  ["ratelimited", "RateLimited"],
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
  name: "OAuth or OpenID Connect server",
  strict: false,
  issuer: Option.none(),
  authorizationEndpoint: Option.none(),
  tokenEndpoint: Option.none(),
  deviceAuthorizationEndpoint: Option.none(),
  registrationEndpoint: Option.none(),
  revocationEndpoint: Option.none(),
  accountEndpoint: Option.none(),
  relocate: () => ({}),
  clientId: Option.none(),
  clientIdVariables: [],
  clientAuth: "auto",
  clientSecretSource: Option.none(),
  methods: ["browser", "paste", "device"],
  redirect: { host: "127.0.0.1", ports: [0], path: "/callback", page: Option.none() },
  scopes: [],
  authorizeParameters: {},
  exchangeEncoding: "form",
  stateInExchange: false,
  device: Option.some(DeviceGrant.rfc8628),
  renewal: "grant",
  refreshEncoding: "form",
  refreshParameters: {},
  spelling: "snake_case",
  headers: { "user-agent": "lockstep" },
  normalize: (answer) => answer,
  expiry: ["expires_in", "expires_at", "jwt_exp"],
  loginExpiresIn: Option.none(),
  account: idTokenAccount,
  errors,
  statuses: new Map([[401, "InvalidClient"], [403, "Entitlement"], [408, "ServerError"]]),
  rotates: true,
  siblingsRevoke: false,
  margin: Option.none(),
  revocation: Option.some({ encoding: "form", clientIdWith: ["refresh_token", "access_token"] }),
  lifetimes: { accessToken: Option.none(), login: Option.none() },
  environment: [],
  terms: Option.none()
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
  name: differences.id,
  ...differences,
  headers: { ...generic.headers, ...differences.headers },
  errors: new Map([...generic.errors, ...differences.errors ?? []]),
  statuses: new Map([...generic.statuses, ...differences.statuses ?? []])
})

const NOWHERE: Endpoints = {
  authorizationEndpoint: Option.none(),
  tokenEndpoint: Option.none(),
  deviceAuthorizationEndpoint: Option.none(),
  registrationEndpoint: Option.none(),
  revocationEndpoint: Option.none(),
  accountEndpoint: Option.none()
}

/**
 * Whether a login is one at the vendor's own server; one that names another issuer has left it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAtHome = (self: OAuthVendor, issuer: Option.Option<string>): boolean =>
  Option.isNone(issuer) || Option.isNone(self.issuer) || Issuer.isSame(issuer.value, self.issuer.value)

const originOf = (text: string): Option.Option<string> =>
  URL.canParse(text) ? Option.some(new URL(text).origin) : Option.none()

/**
 * Whether an address is at one of the vendor's own origins: where a secret of the vendor's may be shown.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isOwnAddress = (self: OAuthVendor, address: URL): boolean =>
  [self.issuer, self.authorizationEndpoint, self.tokenEndpoint, self.revocationEndpoint]
    .flatMap((one) => Option.toArray(Option.flatMap(one, originOf)))
    .includes(address.origin)

/**
 * Reads a vendor's endpoints at an issuer: its own, where none is named, else those that follow from the address. What
 * is `None` is discovered, or not offered: the vendor's own addresses are never asked about another server's login.
 *
 * @since 0.1.0
 * @category getters
 */
export const endpointsAt = (self: OAuthVendor, issuer: Option.Option<string>): Endpoints => {
  if (isAtHome(self, issuer)) return self
  const url = Option.flatMap(issuer, Option.liftThrowable((text: string) => new URL(text)))
  return { ...NOWHERE, ...Option.getOrUndefined(Option.map(url, self.relocate)) }
}
