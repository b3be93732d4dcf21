/**
 * Getting a credential from a person: in a browser on this machine, in two steps without one, or on another device.
 *
 * @since 0.1.0
 */
import type * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { PendingKey } from "@lockstep/core/PendingLogins"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { LoginError } from "./LoginError.js"
import type { LoginMethod, OAuthVendor } from "./OAuthVendor.js"

/**
 * Which login is wanted. What is left out comes from the vendor's descriptor, the environment and the server's metadata,
 * in this order.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginRequest extends PendingKey {
  readonly vendor: OAuthVendor
  readonly issuer: Option.Option<string>
  readonly clientId: Option.Option<string>
  readonly clientSecret: Option.Option<Redacted.Redacted>
  /** Empty: the vendor's. */
  readonly scopes: ReadonlyArray<string>
  readonly resource: Option.Option<string>
  /** Whether the server is asked without `resource`, which some refuse. The token is bound to it here all the same. */
  readonly omitResource?: boolean
  /** Sent with the authorization request beside everything else, and kept for the next login. */
  readonly authorizeParameters?: Readonly<Record<string, string>>
  /** Whether another client is registered, whichever is known. */
  readonly newClient?: boolean
  /** What a client that registers itself is called. One that is known under another name is passed over. */
  readonly clientName?: string
  /**
   * Which version of MCP a server is held to, if not to the present one. `2025-03-26`: its document may name another issuer
   * or be missing, and it need not promise PKCE.
   */
  readonly mcpVersion?: "2025-03-26"
  /** A grant without a person: what is asked for in place of a person's consent. */
  readonly clientGrant?: ClientGrantRequest
  /** RFC 7591: how the client proves itself, where neither its registration nor the metadata decides. */
  readonly clientAuthMethod?: string
  /** Whether a live login may be replaced. */
  readonly replace: boolean
  /** Whether what it replaces has to be the same account's, as far as both are known: a login that only widens another. */
  readonly sameAccount?: boolean
  /** In place of the vendor's ports. */
  readonly port: Option.Option<number>
  /** How long the person may take. Ten minutes, or what the server says. */
  readonly timeout: Option.Option<Duration.Duration>
}

/**
 * How a client asks in its own name, or with an identity provider's assertion about a person.
 *
 * @since 0.1.0
 * @category models
 */
export type ClientGrantRequest =
  | { readonly _tag: "ClientCredentials" }
  | {
    readonly _tag: "IdentityAssertion"
    /** The identity provider's. */
    readonly tokenEndpoint: string
    readonly clientId: string
    readonly idToken: Redacted.Redacted
  }

/**
 * What a person is asked to do. Times are milliseconds since the epoch. `url` holds `state` and the PKCE challenge, as
 * OAuth puts them there, and nothing secret besides.
 *
 * @since 0.1.0
 * @category models
 */
export type Invitation =
  | { readonly _tag: "Browse"; readonly url: string; readonly expiresAt: number }
  | { readonly _tag: "Paste"; readonly url: string; readonly expiresAt: number }
  | {
    readonly _tag: "Device"
    readonly verificationUri: string
    readonly verificationUriComplete: Option.Option<string>
    readonly userCode: string
    readonly expiresAt: number
    /** Milliseconds between two polls. */
    readonly interval: number
  }

/**
 * A login that is stored.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginResult extends CredentialWriter.Login, PendingKey {
  readonly method: LoginMethod
}

/**
 * How a person is reached while a login waits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Person {
  /** Shows what to do, and keeps showing it (time left, say) until it is interrupted. */
  readonly invite: (invitation: Invitation) => Effect.Effect<void>
  /** What the person pastes, where one can: the login goes on with whichever answer comes first. Ends never, else. */
  readonly pasted: Effect.Effect<Redacted.Redacted>
}

/**
 * Logs people in. Each flow is bounded, and holds no lock while a person is at the browser.
 *
 * @since 0.1.0
 * @category services
 */
export class Login extends Context.Tag("@lockstep/oauth/Login")<Login, {
  /** Authorization code with PKCE; the answer comes back to a port of this machine. */
  readonly browser: (request: LoginRequest, person: Person) => Effect.Effect<LoginResult, LoginError>

  /** The first of two steps: keeps the attempt under tenant and user, and returns what to do. */
  readonly begin: (request: LoginRequest) => Effect.Effect<Invitation, LoginError>

  /**
   * The second step: a code, `code#state`, or the whole address that the browser was sent to. Completes this tenant's
   * and user's own attempt and no other.
   */
  readonly complete: (
    key: PendingKey,
    answer: Redacted.Redacted,
    options?: { readonly replace?: boolean }
  ) => Effect.Effect<LoginResult, LoginError>

  /** Device grant, from the code to the end. */
  readonly device: (request: LoginRequest, person: Person) => Effect.Effect<LoginResult, LoginError>

  /** A grant without a person (`clientGrant`): asked for at once, and anew whenever its token ends. */
  readonly client: (request: LoginRequest) => Effect.Effect<LoginResult, LoginError>

  /** The first of many steps of a device grant: keeps the attempt, and returns what to do. */
  readonly beginDevice: (request: LoginRequest) => Effect.Effect<Invitation, LoginError>

  /** Asks once. Fails with `LoginFailed(AuthorizationPending)` while the person has not agreed. */
  readonly poll: (
    key: PendingKey,
    options?: { readonly replace?: boolean }
  ) => Effect.Effect<LoginResult, LoginError>

  /** Drops the attempt. Answers whether there was one. */
  readonly cancel: (key: PendingKey) => Effect.Effect<boolean, LoginError>
}>() {}
