/**
 * The clients that registered themselves with an authorization server (RFC 7591): one per issuer, so that all logins at one
 * server share it. A login keeps its client in its own record as well; this is what the next login begins with.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "./Errors.js"
import { optionalExpiry, optionalSecret, optionalText } from "./internal/members.js"

/**
 * One registration. Encodes to the members of `clients` in `auth.json`; times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export class RegisteredClient extends Schema.Class<RegisteredClient>("@lockstep/core/RegisteredClient")({
  clientId: Schema.propertySignature(Schema.NonEmptyString).pipe(Schema.fromKey("client_id")),
  clientSecret: optionalSecret("client_secret"),
  clientSecretExpiresAt: optionalExpiry("client_secret_expires_at"),
  tokenEndpointAuthMethod: optionalText("token_endpoint_auth_method"),
  /** The one redirect address that it was registered with. `None`: it was registered for logins without one. */
  redirectUri: optionalText("redirect_uri"),
  /** The scopes that it was registered for. `None`: no server was told any. */
  scope: optionalText("scope"),
  /** It has led to no login yet: nothing says that it is any good. */
  unused: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  /** The server no longer knows it. It is remembered, so that a record which names it is not believed either. */
  ended: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  registeredAt: Schema.optionalWith(Schema.Number, { default: () => 0 }).pipe(Schema.fromKey("registered_at"))
}) {}

/**
 * A registration and whose it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Registration {
  /** Compared as text. */
  readonly issuer: string
  readonly client: RegisteredClient
}

/**
 * Whether a registration can no longer be used. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasEnded = ({ clientSecretExpiresAt, ended }: RegisteredClient, now: number): boolean =>
  ended || Option.exists(clientSecretExpiresAt, (end) => end * 1_000 <= now)

/**
 * Whether a registration is kept on, where another one was made at the same time: it can still be used, and is not the one
 * that the other was made to replace. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category predicates
 */
export const stands = (
  present: Option.Option<RegisteredClient>,
  { instead, now }: { readonly instead: Option.Option<string>; readonly now: number }
): Option.Option<RegisteredClient> =>
  Option.filter(present, (client) => !hasEnded(client, now) && !Option.contains(instead, client.clientId))

/**
 * Registrations by issuer. Readers take no lock; no write touches a credential.
 *
 * @since 0.1.0
 * @category services
 */
export class ClientRegistrations extends Context.Tag("@lockstep/core/ClientRegistrations")<ClientRegistrations, {
  /** Reads the registration with an issuer, also one that has ended. One that does not decode counts as absent. */
  readonly get: (issuer: string) => Effect.Effect<Option.Option<RegisteredClient>, CredentialStoreError>

  /** Lists all of them. */
  readonly list: Effect.Effect<ReadonlyArray<Registration>, CredentialStoreError>

  /** Keeps a registration in place of the issuer's earlier one. Durable when it returns. */
  readonly put: (
    issuer: string,
    client: RegisteredClient
  ) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>

  /**
   * Keeps a registration, unless the issuer has one by now that can be used, and answers with the one that is kept: of
   * several processes that register at once, the first one's stays. `instead` names the client that this one was
   * registered in place of, whatever that is worth. Durable when it returns.
   */
  readonly putIfAbsent: (
    issuer: string,
    client: RegisteredClient,
    instead: Option.Option<string>
  ) => Effect.Effect<RegisteredClient, CredentialStoreError | LockTimeout | LockUnavailable>

  /**
   * Notes that the server no longer knows this client, unless another one was registered meanwhile. Answers whether it
   * is this client that is kept.
   */
  readonly end: (
    issuer: string,
    clientId: string
  ) => Effect.Effect<boolean, CredentialStoreError | LockTimeout | LockUnavailable>
}>() {}

/**
 * Makes registrations that live in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory: Effect.Effect<ClientRegistrations["Type"]> = Effect.sync(() => {
  const clients = new Map<string, RegisteredClient>()
  return ClientRegistrations.of({
    get: (issuer) => Effect.sync(() => Option.fromNullable(clients.get(issuer))),
    list: Effect.sync(() => [...clients].map(([issuer, client]) => ({ issuer, client }))),
    put: (issuer, client) => Effect.sync(() => void clients.set(issuer, client)),
    putIfAbsent: (issuer, client, instead) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const kept = Option.getOrElse(stands(Option.fromNullable(clients.get(issuer)), { instead, now }), () => client)
        clients.set(issuer, kept)
        return kept
      }),
    end: (issuer, clientId) =>
      Effect.sync(() => {
        const found = clients.get(issuer)
        if (found?.clientId !== clientId) return false
        clients.set(issuer, RegisteredClient.make({ ...found, ended: true }))
        return true
      })
  })
})

/**
 * Registrations in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ClientRegistrations> = Layer.effect(ClientRegistrations, makeMemory)
