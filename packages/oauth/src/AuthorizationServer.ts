/**
 * Where a credential's requests go and how its client proves itself, collected from the record, the vendor's descriptor
 * and the server's own metadata, in this order.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { ProviderRejected } from "@lockstep/core/Errors"
import type { RoundTripper } from "@lockstep/core/RoundTrip"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import * as ClientAuth from "./ClientAuth.js"
import type { ClientIds } from "./ClientIds.js"
import * as ClientSecretBasic from "./ClientSecretBasic.js"
import * as ClientSecrets from "./ClientSecrets.js"
import type { Discovery, DiscoveryError } from "./Discovery.js"
import * as EndpointUrl from "./EndpointUrl.js"
import * as OAuthVendor from "./OAuthVendor.js"
import * as PrivateKeyJwt from "./PrivateKeyJwt.js"

/**
 * Everything that the builders of oauth4webapi ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationServer {
  readonly server: OAuth.AuthorizationServer
  readonly client: OAuth.Client
  readonly clientAuth: ClientAuth.ClientAuth
  /** What the client proves itself with. */
  readonly clientSecret: Option.Option<Redacted.Redacted>
  /** Plain HTTP is allowed, because the server is on this machine. */
  readonly insecure: boolean
}

/**
 * Which endpoint is looked for.
 *
 * @since 0.1.0
 * @category models
 */
export type EndpointKind = "token_endpoint" | "revocation_endpoint"

/**
 * Whose credential it is, and how to ask about its server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subject {
  readonly tenant: TenantId
  readonly credential: Credential
  readonly vendor: OAuthVendor.OAuthVendor
  readonly roundTripper: RoundTripper
  readonly discovery: Discovery
  readonly clientIds: ClientIds
  readonly clientSecrets: ClientSecrets.ClientSecrets
}

const issuerOf = ({ credential, vendor }: Subject): Option.Option<string> =>
  Option.orElse(credential.issuer, () => vendor.issuer)

const knownEndpoint = ({ credential, vendor }: Subject, kind: EndpointKind): Option.Option<string> => {
  const endpoints = OAuthVendor.endpointsAt(vendor, credential.issuer)
  return kind === "token_endpoint"
    ? Option.orElse(credential.tokenEndpoint, () => endpoints.tokenEndpoint)
    : Option.orElse(credential.revocationEndpoint, () => endpoints.revocationEndpoint)
}

/**
 * Chooses how a client proves itself: as it was registered (RFC 7591), as the vendor wants it, as the metadata says, and
 * by Basic where nothing is said (RFC 6749 section 2.3.1, RFC 8414). `None` for a way that needs more than a secret.
 */
const clientAuth = (options: {
  readonly vendor: OAuthVendor.OAuthVendor
  readonly clientSecret: Option.Option<Redacted.Redacted>
  readonly registered: Option.Option<string>
  readonly metadata: Option.Option<OAuth.AuthorizationServer>
}): Option.Option<Effect.Effect<ClientAuth.ClientAuth, string>> => {
  const supported = Option.flatMapNullable(options.metadata, (found) => found.token_endpoint_auth_methods_supported)
  const guess = Option.match(supported, {
    onNone: () => "client_secret_basic",
    onSome: (methods) =>
      !methods.includes("client_secret_basic") && methods.includes("client_secret_post")
        ? "client_secret_post"
        : "client_secret_basic"
  })
  const vendors = options.vendor.clientAuth === "auto" ? guess : options.vendor.clientAuth
  const secret = Option.map(options.clientSecret, Redacted.value)
  switch (Option.getOrElse(options.registered, () => vendors)) {
    case "none":
      return Option.some(Effect.succeed(ClientAuth.none))
    case "client_secret_post":
      return Option.some(
        Effect.succeed(Option.match(secret, { onNone: () => ClientAuth.none, onSome: ClientAuth.secretPost }))
      )
    case "client_secret_basic":
      return Option.some(
        Effect.succeed(Option.match(secret, { onNone: () => ClientAuth.none, onSome: ClientSecretBasic.make }))
      )
    case "private_key_jwt":
      return Option.some(Option.match(secret, {
        onNone: () => Effect.fail("the client's key is missing"),
        onSome: PrivateKeyJwt.make
      }))
    default:
      return Option.none()
  }
}

/** The record's own, or that of a vendor whose secret a person brings, which is shown to the vendor alone. */
const secretFor = (
  { clientSecrets, credential, tenant, vendor }: Subject,
  kind: EndpointKind,
  endpoint: URL
): Effect.Effect<Option.Option<Redacted.Redacted>, ProviderRejected> => {
  const own = Option.filter(credential.clientSecret, (secret) => Redacted.value(secret) !== "")
  const namesClient = kind === "token_endpoint" ||
    Option.exists(vendor.revocation, ({ clientIdWith }) => clientIdWith.length > 0)
  const isPublic = Option.contains(credential.tokenEndpointAuthMethod, "none")
  const isBrought = ClientSecrets.isNeeded(vendor) && OAuthVendor.isAtHome(vendor, credential.issuer)
  if (Option.isSome(own) || !namesClient || isPublic || !isBrought) return Effect.succeed(own)

  const rejected = (detail: string) => new ProviderRejected({ tenant, reason: "InvalidClient", detail })
  // A record names its endpoint itself, and may be the work of a person who wants to see the secret.
  if (!OAuthVendor.isOwnAddress(vendor, endpoint)) {
    return rejected(
      `the record of ${tenant} names a ${
        kind.replace("_", " ")
      } that is not ${vendor.name}'s, which gets no client secret; `
        + `log in again with \`lockstep login ${tenant} --replace\``
    )
  }
  const { advice, message: missing } = ClientSecrets.missing(vendor)
  return clientSecrets.find(vendor).pipe(
    Effect.mapError(({ message }) => rejected(`the stored client secret cannot be read: ${message}`)),
    Effect.flatMap(Option.match({
      onNone: () => rejected(`${missing}; ${advice}`),
      onSome: Effect.succeedSome
    }))
  )
}

/** A secret with no known way to present it is worth a look at the metadata; a failure of that look fails nothing. */
const metadataFor = (
  subject: Subject,
  known: Option.Option<string>
): Effect.Effect<Option.Option<OAuth.AuthorizationServer>, DiscoveryError> => {
  const issuer = issuerOf(subject)
  if (Option.isNone(issuer)) return Effect.succeedNone
  const { discovery, roundTripper, tenant } = subject
  const found = Effect.asSome(discovery.metadata({ roundTripper, tenant, issuer: issuer.value }))
  if (Option.isNone(known)) return found
  const { clientSecret, tokenEndpointAuthMethod } = subject.credential
  return Option.isSome(clientSecret) && Option.isNone(tokenEndpointAuthMethod) && subject.vendor.clientAuth === "auto"
    ? Effect.orElseSucceed(found, Option.none)
    : Effect.succeedNone
}

/**
 * Finds one endpoint and the client's credentials for it; `None` where the server has no such endpoint.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  subject: Subject,
  kind: EndpointKind
): Effect.Effect<Option.Option<AuthorizationServer>, DiscoveryError> =>
  Effect.gen(function*() {
    const { credential, tenant, vendor } = subject
    const known = knownEndpoint(subject, kind)
    const metadata = yield* metadataFor(subject, known)
    const text = Option.orElse(known, () => Option.flatMapNullable(metadata, (found) => found[kind]))
    if (Option.isNone(text)) return Option.none()

    // A record that names an endpoint and no issuer is a person's word, where what was discovered is the issuer's.
    const publisher = Option.isNone(known) ? issuerOf(subject) : credential.issuer
    const endpoint = EndpointUrl.published(text.value, `the ${kind.replace("_", " ")}`, publisher)
    if (Either.isLeft(endpoint)) {
      return yield* new ProviderRejected({ tenant, reason: "Protocol", detail: endpoint.left })
    }
    const clientId = Option.filter(credential.clientId, (id) => id !== "")
    const foundId = Option.isSome(clientId) ? clientId : yield* subject.clientIds.find(vendor)
    if (Option.isNone(foundId)) {
      return yield* new ProviderRejected({ tenant, reason: "InvalidClient", detail: "no client id is known" })
    }
    const clientSecret = yield* secretFor(subject, kind, endpoint.right)
    const auth = clientAuth({
      vendor,
      clientSecret,
      registered: credential.tokenEndpointAuthMethod,
      metadata
    })
    if (Option.isNone(auth)) {
      return yield* new ProviderRejected({
        tenant,
        reason: "InvalidClient",
        detail: "the client is registered with a way to prove itself that is not supported"
      })
    }
    const clientAuthentication = yield* Effect.mapError(
      auth.value,
      (detail) => new ProviderRejected({ tenant, reason: "InvalidClient", detail })
    )
    const server: OAuth.AuthorizationServer = {
      issuer: Option.getOrElse(issuerOf(subject), () => endpoint.right.origin),
      [kind]: endpoint.right.href
    }
    return Option.some({
      server,
      client: { client_id: foundId.value },
      clientAuth: clientAuthentication,
      clientSecret,
      insecure: EndpointUrl.isLoopback(endpoint.right)
    })
  })
