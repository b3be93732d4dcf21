/**
 * The client that a login speaks as: the one that the request or the environment names, the vendor's, the one that this
 * tenant has at this server already, the one whose metadata is at an address of ours, and the one that registered itself
 * with this issuer before, in this order. Where all of these are missing, one has to be registered.
 *
 * @since 0.1.0
 */
import { type ClientRegistrations, hasEnded, type RegisteredClient } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Issuer from "@lockstep/core/Issuer"
import { isAncient } from "@lockstep/core/PendingLogins"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import type { ClientIds } from "./ClientIds.js"
import * as ClientSecrets from "./ClientSecrets.js"
import type { LoginRequest } from "./Login.js"
import { LoginUnavailable } from "./LoginError.js"
import * as OAuthVendor from "./OAuthVendor.js"

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
  /** The scopes that it was registered for, where it is known to be bound to some. */
  readonly scope?: Option.Option<string>
  /** Whether it is the one that the record names, and another one was registered with its server since. */
  readonly isReplaced?: boolean
  /**
   * What is known of where answers to it may go. `Anywhere`: nothing. `Registered`: the one redirect address that it was
   * registered with, if with any.
   */
  readonly redirect: { readonly _tag: "Anywhere" } | {
    readonly _tag: "Registered"
    readonly uri: Option.Option<string>
  }
}

/**
 * The redirect of a client of which nothing is known.
 *
 * @since 0.1.0
 * @category constants
 */
export const ANYWHERE: LoginClient["redirect"] = { _tag: "Anywhere" }

const wordsOf = (scope: Option.Option<string>): ReadonlyArray<string> =>
  Option.match(scope, { onNone: () => [], onSome: (text) => text.split(" ") })

/**
 * Whether answers to a client may go to an address, and whether it may ask for a scope, as far as is known. A login without
 * an address fits every client.
 *
 * @since 0.1.0
 * @category predicates
 */
export const fits = (
  { redirect, scope: registered = Option.none() }: LoginClient,
  redirectUri: Option.Option<string>,
  scope: Option.Option<string> = Option.none()
): boolean =>
  redirect._tag === "Anywhere" ||
  (Option.match(redirectUri, { onNone: () => true, onSome: (uri) => Option.contains(redirect.uri, uri) }) &&
    (Option.isNone(registered) || wordsOf(scope).every((word) => wordsOf(registered).includes(word))))

/**
 * How a client is found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sources {
  readonly clientIds: ClientIds
  readonly clientSecrets: ClientSecrets.ClientSecrets
  readonly registrations: ClientRegistrations["Type"]
  /** The record that the login would replace. */
  readonly present: Option.Option<Credential>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/**
 * What is known of the server when its client is looked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  readonly issuer: Option.Option<string>
  readonly endpoints: OAuthVendor.Endpoints
  readonly metadata: Option.Option<OAuth.AuthorizationServer>
}

/** A client that this tenant has at this server already, unless its registration has ended. */
const storedClient = (
  { now, present }: Pick<Sources, "present" | "now">,
  issuer: Option.Option<string>,
  tokenEndpoint: Option.Option<string>
): Option.Option<LoginClient & { readonly isExpired: boolean }> =>
  Option.gen(function*() {
    const record = yield* present
    const isSameServer = Option.isSome(issuer)
      ? Option.exists(record.issuer, (named) => Issuer.isSame(named, issuer.value))
      : Option.isSome(tokenEndpoint) && Option.contains(record.tokenEndpoint, tokenEndpoint.value)
    return {
      id: yield* Option.filter(record.clientId, (id) => id !== "" && isSameServer),
      secret: record.clientSecret,
      secretExpiresAt: record.clientSecretExpiresAt,
      authMethod: record.tokenEndpointAuthMethod,
      redirect: ANYWHERE,
      isExpired: Option.exists(record.clientSecretExpiresAt, (end) => end * 1_000 <= now)
    }
  })

/** Seconds for which a server that has given tokens to a client counts as one that knows it. */
const FRESH = 60

/**
 * Whether the server gave tokens to this client a moment ago, for every scope that will be asked for, as the record that
 * the login would replace says: it has not forgotten it since. What it was registered for counts as well.
 *
 * @since 0.1.0
 * @category predicates
 */
export const servedJustNow = (
  client: LoginClient,
  { now, present }: Pick<Sources, "present" | "now">,
  { endpoints, issuer, scope }: Pick<Server, "issuer" | "endpoints"> & { readonly scope: Option.Option<string> }
): boolean => {
  const known = [
    ...wordsOf(client.scope ?? Option.none()),
    ...wordsOf(Option.flatMap(present, (record) => record.scope))
  ]
  return wordsOf(scope).every((word) => known.includes(word)) &&
    Option.exists(
      Option.flatMap(present, ({ obtainedAt }) => obtainedAt),
      (at) => at * 1_000 <= now && now < (at + FRESH) * 1_000
    ) &&
    Option.exists(storedClient({ now, present }, issuer, endpoints.tokenEndpoint), ({ id }) => id === client.id)
}

/**
 * The client of a registration that is kept.
 *
 * @since 0.1.0
 * @category constructors
 */
export const kept = (client: RegisteredClient): LoginClient => ({
  id: client.clientId,
  secret: client.clientSecret,
  secretExpiresAt: client.clientSecretExpiresAt,
  authMethod: client.tokenEndpointAuthMethod,
  scope: client.scope,
  redirect: { _tag: "Registered", uri: client.redirectUri }
})

/** One that has led to no login while its first attempt could be finished may be one that the server refuses on a page. */
const isUsable = (client: RegisteredClient, now: number): boolean =>
  !hasEnded(client, now) && !(client.unused && isAncient(client.registeredAt, now))

/** https, with a path, and nothing that could be read in two ways: the address is the client's name. */
const isDocument = (text: string): boolean => {
  if (!URL.canParse(text) || /[\s#\\]/.test(text) || /\/\.\.?(?:\/|$|\?)/.test(text)) return false
  const { pathname, password, protocol, username } = new URL(text)
  return protocol === "https:" && pathname !== "/" && username === "" && password === ""
}

/** A client whose metadata is at an address of ours, where the server reads such. */
const documented = (
  { tenant }: LoginRequest,
  { clientIds }: Sources,
  { metadata }: Server
): Effect.Effect<Option.Option<LoginClient>, LoginUnavailable> =>
  Effect.gen(function*() {
    if (!Option.exists(metadata, (found) => found.client_id_metadata_document_supported === true)) return Option.none()
    const address = yield* clientIds.document
    if (Option.isNone(address)) return Option.none()
    if (!isDocument(address.value)) {
      return yield* new LoginUnavailable({
        tenant,
        reason: "BadAddress",
        message: "LOCKSTEP_CLIENT_METADATA_URL is not the address of a client metadata document",
        advice: "it is an https address with a path and without a fragment; correct or unset it"
      })
    }
    return Option.some({
      id: address.value,
      secret: Option.none(),
      secretExpiresAt: Option.none(),
      authMethod: Option.some("none"),
      redirect: ANYWHERE
    })
  })

const find = (
  request: LoginRequest,
  sources: Sources,
  server: Server
): Effect.Effect<Option.Option<LoginClient>, LoginUnavailable> =>
  Effect.gen(function*() {
    const { issuer, endpoints: { registrationEndpoint, tokenEndpoint } } = server
    const isRenewed = request.newClient === true || request.clientName !== undefined
    if (isRenewed && Option.isNone(registrationEndpoint)) {
      return yield* new LoginUnavailable({
        tenant: request.tenant,
        reason: "ClientIdMissing",
        message: "the authorization server registers no clients",
        advice: "register a native application with the server and name it with --client-id"
      })
    }
    if (isRenewed) return Option.none()
    const stored = storedClient(sources, issuer, tokenEndpoint)
    // One that cannot be read counts as missing: another is registered in its place.
    const registered = yield* Effect.orElseSucceed(
      Effect.transposeMapOption(issuer, sources.registrations.get),
      Option.none
    ).pipe(Effect.map(Option.flatten))
    const isEnded = ({ id }: LoginClient) =>
      Option.exists(registered, (client) => client.clientId === id && hasEnded(client, sources.now))
    /** Adds what is known of a client that registered itself, beside its name. */
    const known = (client: LoginClient): LoginClient =>
      Option.match(Option.filter(registered, ({ clientId }) => clientId === client.id), {
        onNone: () => client,
        onSome: (found) => ({ ...kept(found), secret: Option.orElse(client.secret, () => found.clientSecret) })
      })
    const environment = request.vendor.strict ? Option.none() : yield* sources.clientIds.find(request.vendor)
    const named = Option.filter(Option.orElse(request.clientId, () => environment), (id) => id !== "")
    if (Option.isSome(named)) {
      const own = Option.filter(stored, ({ id }) => id === named.value)
      const client = known({
        id: named.value,
        secret: Option.orElse(request.clientSecret, () => Option.flatMap(own, ({ secret }) => secret)),
        secretExpiresAt: Option.flatMap(own, ({ secretExpiresAt }) => secretExpiresAt),
        authMethod: Option.orElse(
          Option.fromNullable(request.clientAuthMethod),
          () => Option.flatMap(own, ({ authMethod }) => authMethod)
        ),
        redirect: ANYWHERE,
        isReplaced: Option.isSome(own) && Option.isSome(registered)
      })
      // A registration that has ended is no client any more, also where a person's login is repeated by its name.
      return isEnded(client) || Option.exists(own, ({ isExpired }) => isExpired) ? Option.none() : Option.some(client)
    }
    const own = Option.filter(stored, (client) => !client.isExpired && !isEnded(client))
    if (Option.isSome(own)) return Option.map(own, known)
    const described = yield* documented(request, sources, server)
    return Option.isSome(described) || request.vendor.id !== OAuthVendor.generic.id && !request.vendor.strict
      ? described
      : Option.map(Option.filter(registered, (client) => isUsable(client, sources.now)), kept)
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
 * has a secret that was not brought.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  request: LoginRequest,
  sources: Sources,
  server: Server
): Effect.Effect<Option.Option<LoginClient>, LoginUnavailable | CredentialStoreError> =>
  Effect.gen(function*() {
    const client = yield* find(request, sources, server)
    yield* checkKnown(request, client, server.endpoints)
    yield* checkSecret(request, sources, client)
    return client
  })
