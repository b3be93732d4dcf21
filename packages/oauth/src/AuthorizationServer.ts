/**
 * Where a credential's requests go and how its client proves itself, collected from the record, the vendor's descriptor
 * and the server's own metadata, in this order.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { ProviderRejected } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import type { Discovery, DiscoveryError } from "./Discovery.js"
import * as EndpointUrl from "./EndpointUrl.js"
import type { FetchFunction } from "./Fetch.js"
import type { OAuthVendor } from "./OAuthVendor.js"

/**
 * Everything that the builders of oauth4webapi ask for.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationServer {
  readonly server: OAuth.AuthorizationServer
  readonly client: OAuth.Client
  readonly clientAuth: OAuth.ClientAuth
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
  readonly vendor: OAuthVendor
  readonly fetch: FetchFunction
  readonly discovery: Discovery
}

const issuerOf = ({ credential, vendor }: Subject): Option.Option<string> =>
  Option.orElse(credential.issuer, () => vendor.issuer)

const knownEndpoint = ({ credential, vendor }: Subject, kind: EndpointKind): Option.Option<string> => {
  // A vendor's addresses are those of its own server; a record that names another issuer has left them.
  const isVendors = Option.isNone(credential.issuer) || Option.isNone(vendor.issuer) ||
    credential.issuer.value === vendor.issuer.value
  return kind === "token_endpoint"
    ? Option.orElse(credential.tokenEndpoint, () => isVendors ? vendor.tokenEndpoint : Option.none())
    : Option.orElse(credential.revocationEndpoint, () => isVendors ? vendor.revocationEndpoint : Option.none())
}

const authOf = (
  { credential, vendor }: Subject,
  metadata: Option.Option<OAuth.AuthorizationServer>
): OAuth.ClientAuth => {
  if (Option.isNone(credential.clientSecret) || vendor.clientAuth === "none") return OAuth.None()
  const secret = Redacted.value(credential.clientSecret.value)
  if (secret === "") return OAuth.None()
  const methods = Option.flatMapNullable(metadata, (found) => found.token_endpoint_auth_methods_supported)
  const method = vendor.clientAuth !== "auto"
    ? vendor.clientAuth
    // RFC 6749, section 2.3.1, and RFC 8414 alike: Basic where nothing is said.
    : Option.match(methods, {
      onNone: () => "client_secret_basic",
      onSome: (supported) =>
        !supported.includes("client_secret_basic") && supported.includes("client_secret_post")
          ? "client_secret_post"
          : "client_secret_basic"
    })
  return method === "client_secret_post" ? OAuth.ClientSecretPost(secret) : OAuth.ClientSecretBasic(secret)
}

/** A secret with no known way to present it is worth a look at the metadata, and no failure if that cannot be had. */
const metadataFor = (
  subject: Subject,
  known: Option.Option<string>
): Effect.Effect<Option.Option<OAuth.AuthorizationServer>, DiscoveryError> => {
  const issuer = issuerOf(subject)
  if (Option.isNone(issuer)) return Effect.succeedNone
  const { discovery, fetch, tenant } = subject
  const found = Effect.asSome(discovery.metadata({ fetch, tenant, issuer: issuer.value }))
  if (Option.isNone(known)) return found
  return Option.isSome(subject.credential.clientSecret) && subject.vendor.clientAuth === "auto"
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

    const endpoint = EndpointUrl.parse(text.value, `the ${kind.replace("_", " ")}`)
    if (Either.isLeft(endpoint)) {
      return yield* new ProviderRejected({ tenant, reason: "Protocol", detail: endpoint.left })
    }
    const clientId = Option.filter(Option.orElse(credential.clientId, () => vendor.clientId), (id) => id !== "")
    if (Option.isNone(clientId)) {
      return yield* new ProviderRejected({ tenant, reason: "InvalidClient", detail: "no client id is known" })
    }
    const server: OAuth.AuthorizationServer = {
      issuer: Option.getOrElse(issuerOf(subject), () => endpoint.right.origin),
      [kind]: endpoint.right.href
    }
    return Option.some({
      server,
      client: { client_id: clientId.value },
      clientAuth: authOf(subject, metadata),
      insecure: EndpointUrl.isLoopback(endpoint.right)
    })
  })
