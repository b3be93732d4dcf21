/**
 * The client that a login speaks as: the one that the request or the environment names, the vendor's, the one that this
 * tenant has at this server already, in this order. Where there is none, one has to be registered.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { ClientIds } from "./ClientIds.js"
import * as ClientSecrets from "./ClientSecrets.js"
import type { LoginRequest } from "./Login.js"
import { LoginUnavailable } from "./LoginError.js"
import type * as OAuthVendor from "./OAuthVendor.js"

/**
 * A client as a server knows it. `secret` is one that belongs in the record: a vendor's own secret does not.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginClient {
  readonly id: string
  readonly secret: Option.Option<Redacted.Redacted>
  /** RFC 7591: seconds since the epoch. */
  readonly secretExpiresAt: Option.Option<number>
  /** RFC 7591. */
  readonly authMethod: Option.Option<string>
}

/**
 * How a client is found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sources {
  readonly clientIds: ClientIds
  readonly clientSecrets: ClientSecrets.ClientSecrets
  /** The record that the login would replace. */
  readonly present: Option.Option<Credential>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** A client that this tenant has at this server already, unless its registration has ended. */
const storedClient = (
  { now, present }: Sources,
  issuer: Option.Option<string>,
  tokenEndpoint: Option.Option<string>
): Option.Option<LoginClient & { readonly isOver: boolean }> =>
  Option.gen(function*() {
    const record = yield* present
    const isSameServer = Option.isSome(issuer)
      ? Option.contains(record.issuer, issuer.value)
      : Option.isSome(tokenEndpoint) && Option.contains(record.tokenEndpoint, tokenEndpoint.value)
    return {
      id: yield* Option.filter(record.clientId, (id) => id !== "" && isSameServer),
      secret: record.clientSecret,
      secretExpiresAt: record.clientSecretExpiresAt,
      authMethod: record.tokenEndpointAuthMethod,
      isOver: Option.exists(record.clientSecretExpiresAt, (end) => end * 1_000 <= now)
    }
  })

const find = (
  request: LoginRequest,
  sources: Sources,
  issuer: Option.Option<string>,
  { tokenEndpoint }: OAuthVendor.Endpoints
): Effect.Effect<Option.Option<LoginClient>> =>
  Effect.gen(function*() {
    const stored = storedClient(sources, issuer, tokenEndpoint)
    const named = Option.filter(
      Option.isSome(request.clientId) ? request.clientId : yield* sources.clientIds.find(request.vendor),
      (id) => id !== ""
    )
    if (Option.isSome(named)) {
      const known = Option.filter(stored, ({ id }) => id === named.value)
      // A registration that has ended is no client any more, also where a person's login is repeated by its name.
      if (Option.exists(known, ({ isOver }) => isOver)) return Option.none()
      return Option.some({
        id: named.value,
        secret: Option.orElse(request.clientSecret, () => Option.flatMap(known, ({ secret }) => secret)),
        secretExpiresAt: Option.flatMap(known, ({ secretExpiresAt }) => secretExpiresAt),
        authMethod: Option.flatMap(known, ({ authMethod }) => authMethod)
      })
    }
    return Option.filter(stored, ({ isOver }) => !isOver)
  })

const checkKnown = (
  { tenant, vendor }: LoginRequest,
  client: Option.Option<LoginClient>,
  { registrationEndpoint }: OAuthVendor.Endpoints
): Effect.Effect<void, LoginUnavailable> =>
  Option.isNone(client) && Option.isNone(registrationEndpoint)
    ? new LoginUnavailable({
      tenant,
      reason: "ClientIdMissing",
      message: `no client id is known for ${vendor.name}, and the server registers none`,
      advice: "register a native application with the server and name it with --client-id"
    })
    : Effect.void

const checkSecret = (
  request: LoginRequest,
  sources: Sources,
  client: Option.Option<LoginClient>
): Effect.Effect<void, LoginUnavailable | CredentialStoreError> =>
  Effect.gen(function*() {
    if (!ClientSecrets.isNeeded(request.vendor) || Option.isSome(Option.flatMap(client, ({ secret }) => secret))) return
    if (Option.isSome(yield* sources.clientSecrets.find(request.vendor))) return
    return yield* new LoginUnavailable({
      tenant: request.tenant,
      reason: "ClientSecretMissing",
      ...ClientSecrets.missing(request.vendor)
    })
  })

/**
 * Finds the client of a login. `None`: the server registers one. Fails where it does not, and where the vendor's client
 * has a secret that nobody brought.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  request: LoginRequest,
  sources: Sources,
  issuer: Option.Option<string>,
  endpoints: OAuthVendor.Endpoints
): Effect.Effect<Option.Option<LoginClient>, LoginUnavailable | CredentialStoreError> =>
  Effect.gen(function*() {
    const client = yield* find(request, sources, issuer, endpoints)
    yield* checkKnown(request, client, endpoints)
    yield* checkSecret(request, sources, client)
    return client
  })
