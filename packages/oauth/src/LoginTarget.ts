/**
 * What a login is made against: the server's addresses and what it promises, the scope, and the client where one is
 * known. Collected from the request, the vendor's descriptor, the environment and the server's metadata, in this order.
 *
 * @since 0.1.0
 */
import { Credential } from "@lockstep/core/Credential"
import type { CredentialStoreError, ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import * as Issuer from "@lockstep/core/Issuer"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import type { RoundTripper } from "@lockstep/core/RoundTrip"
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as OAuth from "oauth4webapi"
import { type Discovery, NO_DOCUMENT } from "./Discovery.js"
import * as EndpointUrl from "./EndpointUrl.js"
import type { LoginRequest } from "./Login.js"
import * as LoginClient from "./LoginClient.js"
import { LoginUnavailable } from "./LoginError.js"
import * as OAuthVendor from "./OAuthVendor.js"
import * as ResourceIndicator from "./ResourceIndicator.js"

/**
 * Everything about the server that a flow asks.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoginTarget {
  readonly request: LoginRequest
  readonly roundTripper: RoundTripper
  readonly issuer: Option.Option<string>
  readonly endpoints: OAuthVendor.Endpoints
  readonly metadata: Option.Option<OAuth.AuthorizationServer>
  readonly scope: Option.Option<string>
  /** `None`: one has to be registered. */
  readonly client: Option.Option<LoginClient.LoginClient>
}

/**
 * How a target is found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sources extends LoginClient.Sources {
  readonly roundTripper: RoundTripper
  readonly discovery: Discovery
}

type ResolveError = LoginUnavailable | CredentialStoreError | ProviderRejected | ProviderUnavailable

type Need = keyof OAuthVendor.Endpoints

/** What cannot be done without, by method. */
const NEEDS: Readonly<Record<OAuthVendor.LoginMethod, ReadonlyArray<Need>>> = {
  browser: ["authorizationEndpoint", "tokenEndpoint"],
  paste: ["authorizationEndpoint", "tokenEndpoint"],
  device: ["deviceAuthorizationEndpoint", "tokenEndpoint"],
  key: ["authorizationEndpoint"],
  client: ["tokenEndpoint"]
}

const NAMES: Readonly<Record<Need, string>> = {
  authorizationEndpoint: "authorization endpoint",
  tokenEndpoint: "token endpoint",
  deviceAuthorizationEndpoint: "device authorization endpoint",
  registrationEndpoint: "registration endpoint",
  revocationEndpoint: "revocation endpoint",
  accountEndpoint: "account endpoint"
}

const badAddress = (
  { tenant }: LoginRequest,
  message: string,
  advice = "check the address, and that it is https"
) => new LoginUnavailable({ tenant, reason: "BadAddress", message, advice })

const checkIssuer = (request: LoginRequest, text: string): Effect.Effect<URL, LoginUnavailable> =>
  Effect.mapError(EndpointUrl.parse(text, "the issuer"), (message) => badAddress(request, message))

const BAD_ENDPOINT = "nothing was sent there; check the issuer, or ask its operator to correct its metadata"

const checkEndpoint = (
  request: LoginRequest,
  text: string,
  what: string,
  issuer: Option.Option<string>
): Effect.Effect<URL, LoginUnavailable> =>
  Effect.mapError(EndpointUrl.published(text, what, issuer), (message) => badAddress(request, message, BAD_ENDPOINT))

/** RFC 8707: an absolute URI without a fragment. */
const checkResource = (request: LoginRequest): Effect.Effect<void, LoginUnavailable> =>
  Option.exists(request.resource, (text) => !URL.canParse(text) || text.includes("#"))
    ? badAddress(request, "the resource is not an absolute address without a fragment")
    : Effect.void

const withMetadata = (
  endpoints: OAuthVendor.Endpoints,
  metadata: Option.Option<OAuth.AuthorizationServer>
): OAuthVendor.Endpoints => {
  const or = (known: Option.Option<string>, member: keyof OAuth.AuthorizationServer) =>
    Option.orElse(known, () =>
      Option.filter(
        Option.flatMapNullable(metadata, (found) => found[member]),
        (value): value is string => typeof value === "string"
      ))
  return {
    ...endpoints,
    authorizationEndpoint: or(endpoints.authorizationEndpoint, "authorization_endpoint"),
    tokenEndpoint: or(endpoints.tokenEndpoint, "token_endpoint"),
    deviceAuthorizationEndpoint: or(endpoints.deviceAuthorizationEndpoint, "device_authorization_endpoint"),
    registrationEndpoint: or(endpoints.registrationEndpoint, "registration_endpoint"),
    revocationEndpoint: or(endpoints.revocationEndpoint, "revocation_endpoint")
  }
}

/**
 * Without any scope most servers give no refresh token: what OpenID Connect asks for is asked, where it is known. MCP leaves
 * it out where the server names none, and else adds what a refresh token takes.
 */
const scopeOf = (
  { scopes, vendor }: LoginRequest,
  metadata: Option.Option<OAuth.AuthorizationServer>
): Option.Option<string> => {
  const supported = Option.getOrElse(
    Option.flatMapNullable(metadata, (found) => found.scopes_supported),
    (): ReadonlyArray<string> => []
  )
  if (vendor.strict) {
    const isOffline = scopes.length > 0 && supported.includes("offline_access") && !scopes.includes("offline_access")
    const asked = isOffline ? [...scopes, "offline_access"] : scopes
    return asked.length === 0 ? Option.none() : Option.some(asked.join(" "))
  }
  const wanted = [scopes, vendor.scopes, ["openid", "offline_access"].filter((scope) => supported.includes(scope))]
    .find((list) => list.length > 0)
  return Option.map(Option.fromNullable(wanted), (list) => list.join(" "))
}

/** The login of any OAuth server takes a server at its silence, where that of MCP wants a promise. */
const genericLogin = ({ resource, tenant }: LoginRequest, issuer: Option.Option<string>): string =>
  [
    "lockstep login",
    ...Option.toArray(Option.map(issuer, (text) => `--issuer ${ShellWord.quote(text)}`)),
    ...Option.toArray(Option.map(resource, (text) => `--resource ${ShellWord.quote(text)}`)),
    `--tenant ${ShellWord.quote(tenant)}`
  ].join(" ")

const checkPkce = (
  request: LoginRequest,
  metadata: Option.Option<OAuth.AuthorizationServer>,
  issuer: Option.Option<string>
): Effect.Effect<void, LoginUnavailable> => {
  const { tenant, vendor } = request
  const isStrict = vendor.strict && request.mcpVersion === undefined
  const methods = Option.flatMapNullable(metadata, (found) => found.code_challenge_methods_supported)
  // A server that says nothing ignores a challenge that it does not know, or checks it without saying so. MCP trusts none.
  const isRefused = isStrict
    ? !Option.exists(methods, (list) => Array.isArray(list) && list.includes("S256"))
    : Option.exists(methods, (list) => !list.includes("S256"))
  return isRefused
    ? new LoginUnavailable({
      tenant,
      reason: "PkceNotOffered",
      message: `the authorization server of ${tenant} does not ${
        isStrict && Option.isNone(methods) ? "say that it supports" : "support"
      } PKCE with S256`,
      advice: `ask its operator to turn it on: without it, any program that sees the code can use it${
        isStrict && Option.isNone(methods)
          ? `; a server that has it and does not say so is logged in to with \`${genericLogin(request, issuer)}\``
          : ""
      }`
    })
    : Effect.void
}

/** MCP 2025-03-26, Fallbacks for Servers without Metadata Discovery. */
const FALLBACKS = { authorization_endpoint: "/authorize", token_endpoint: "/token", registration_endpoint: "/register" }

const fallbackFor = (issuer: string): OAuth.AuthorizationServer => ({
  issuer,
  ...Object.fromEntries(Object.entries(FALLBACKS).map(([name, path]) => [name, new URL(path, issuer).href]))
})

/** MCP 2025-03-26 had no metadata of resources: the server's own origin is its authorization server. */
const isOwnIssuer = ({ resource }: LoginRequest, issuer: string): boolean =>
  Option.exists(resource, (text) => URL.canParse(text) && Issuer.isSame(new URL(text).origin, issuer))

/** Names the way in, where a server of an older version of MCP is held to the rules of the present one. */
const olderOf = (request: LoginRequest, issuer: string) => (error: ProviderRejected | ProviderUnavailable) =>
  error._tag === "ProviderRejected" && error.reason === "Protocol" && isOwnIssuer(request, issuer)
    ? new LoginUnavailable({
      tenant: request.tenant,
      reason: "OlderServer",
      message: `the authorization server of ${request.tenant} does not describe itself as MCP wants it (${
        error.detail ?? error.reason
      })`,
      advice: "ask its operator to correct it; one of MCP 2025-03-26 that you trust is logged in to with "
        + "--mcp-version 2025-03-26"
    })
    : error

/** What the server says about itself, by the rules that it is held to. */
const describe = (
  request: LoginRequest,
  issuer: string,
  { discovery, roundTripper }: Sources
): Effect.Effect<
  Option.Option<OAuth.AuthorizationServer>,
  LoginUnavailable | ProviderRejected | ProviderUnavailable
> => {
  const { mcpVersion, tenant, vendor } = request
  const inquiry = { roundTripper, tenant, issuer, isExact: vendor.strict }
  if (!vendor.strict) return Effect.asSome(discovery.metadata(inquiry))
  if (mcpVersion === undefined) {
    return Effect.asSome(Effect.mapError(discovery.metadata(inquiry), olderOf(request, issuer)))
  }
  return discovery.metadata({ ...inquiry, isAnyIssuer: true }).pipe(
    Effect.catchIf(
      (error) => error._tag === "ProviderRejected" && error.detail === NO_DOCUMENT,
      () => Effect.succeed(fallbackFor(issuer))
    ),
    Effect.asSome
  )
}

/**
 * Says that there is no such way to log in.
 *
 * @since 0.1.0
 * @category errors
 */
export const notOffered = (request: LoginRequest, message: string): LoginUnavailable =>
  new LoginUnavailable({
    tenant: request.tenant,
    reason: "MethodNotOffered",
    message,
    advice: `${request.vendor.name} offers: ${request.vendor.methods.join(", ")}`
  })

/**
 * Finds the target of a login. Asks the server for nothing but its metadata, and for that only where the descriptor does
 * not know what this method needs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (
  request: LoginRequest,
  method: OAuthVendor.LoginMethod,
  sources: Sources
): Effect.Effect<LoginTarget, ResolveError> =>
  Effect.gen(function*() {
    const { vendor } = request
    yield* checkResource(request)
    const named = Option.orElse(request.issuer, () => vendor.issuer)
    if (Option.isSome(named)) yield* checkIssuer(request, named.value)
    const known = OAuthVendor.endpointsAt(vendor, named)
    const metadata = Option.isSome(named) && method !== "key" && NEEDS[method].some((need) =>
        Option.isNone(known[need])
      )
      ? yield* describe(request, named.value, sources)
      : Option.none<OAuth.AuthorizationServer>()
    const endpoints = withMetadata(known, metadata)
    for (const need of NEEDS[method]) {
      const address = endpoints[need]
      if (Option.isNone(address)) {
        return yield* notOffered(request, `${vendor.name} has no ${NAMES[need]}, as far as is known`)
      }
      yield* checkEndpoint(request, address.value, `the ${NAMES[need]}`, named)
    }
    // What names another issuer is believed about its addresses only.
    const issuer = request.mcpVersion === undefined
      ? Option.orElse(Option.map(metadata, (found) => found.issuer), () => named)
      : named
    const target = {
      request,
      roundTripper: sources.roundTripper,
      issuer,
      endpoints,
      metadata,
      scope: scopeOf(request, metadata)
    }
    if (method === "key") return { ...target, client: Option.none() }
    if (method !== "device" && method !== "client") yield* checkPkce(request, metadata, issuer)
    return { ...target, client: yield* LoginClient.resolve(request, sources, { issuer, endpoints, metadata }) }
  })

/**
 * Makes an attempt of a target, as it is kept until the second step.
 *
 * @since 0.1.0
 * @category getters
 */
export const attemptOf = (
  { endpoints, issuer, request, scope }: LoginTarget,
  client: Option.Option<LoginClient.LoginClient>
): Pick<
  PendingLogin,
  | "vendor"
  | "issuer"
  | "tokenEndpoint"
  | "revocationEndpoint"
  | "clientId"
  | "clientSecret"
  | "clientSecretExpiresAt"
  | "tokenEndpointAuthMethod"
  | "scope"
  | "resource"
  | "resourceParameter"
  | "authorizeParameters"
  | "replace"
  | "sameAccount"
> => ({
  vendor: request.vendor.id === OAuthVendor.generic.id ? Option.none() : Option.some(request.vendor.id),
  issuer,
  tokenEndpoint: endpoints.tokenEndpoint,
  revocationEndpoint: endpoints.revocationEndpoint,
  clientId: Option.map(client, ({ id }) => id),
  clientSecret: Option.flatMap(client, ({ secret }) => secret),
  clientSecretExpiresAt: Option.flatMap(client, ({ secretExpiresAt }) => secretExpiresAt),
  tokenEndpointAuthMethod: Option.flatMap(client, ({ authMethod }) => authMethod),
  scope,
  resource: request.resource,
  resourceParameter: request.omitResource === true ? Option.some(ResourceIndicator.OMIT) : Option.none(),
  authorizeParameters: Option.filter(
    Option.some(new URLSearchParams({ ...request.authorizeParameters }).toString()),
    (query) => query !== ""
  ),
  replace: request.replace,
  sameAccount: request.sameAccount === true
})

/**
 * Reads the record that an attempt will become, without tokens.
 *
 * @since 0.1.0
 * @category getters
 */
export const recordOf = (login: PendingLogin): Credential =>
  Credential.make({
    vendor: login.vendor,
    issuer: login.issuer,
    tokenEndpoint: login.tokenEndpoint,
    revocationEndpoint: login.revocationEndpoint,
    clientId: login.clientId,
    clientSecret: login.clientSecret,
    clientSecretExpiresAt: login.clientSecretExpiresAt,
    tokenEndpointAuthMethod: login.tokenEndpointAuthMethod,
    scope: login.scope,
    resource: login.resource,
    resourceParameter: login.resourceParameter,
    authorizeParameters: login.authorizeParameters
  })
