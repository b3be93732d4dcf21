/**
 * One flow of the SDK: what it was shown, and what it keeps between sending a person to the browser and the answer. In
 * memory, and from the redirect on among the unfinished logins, under a name of its own: two flows never share a slot.
 */
import type { Host } from "@lockstep/core/Host"
import * as Issuer from "@lockstep/core/Issuer"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { IssuerContext, OAuthClientInformation, OAuthDiscoveryState } from "../SdkTypes.js"

export const VENDOR = "mcp"

const NEVER = 0

const secret = (text: string | undefined) => Option.map(Option.fromNullable(text), (one) => Redacted.make(one))
const text = (value: unknown): Option.Option<string> =>
  typeof value === "string" && value !== "" ? Option.some(value) : Option.none()

/** The server's name for itself, as the SDK stamps it. */
export const issuerOf = (discovery: OAuthDiscoveryState): string =>
  Option.getOrElse(text(discovery.authorizationServerMetadata?.issuer), () => discovery.authorizationServerUrl)

/** Where a server is that describes nothing: as MCP 2025-03-26 says. */
const tokenEndpointOf = (discovery: OAuthDiscoveryState): string =>
  Option.getOrElse(
    text(discovery.authorizationServerMetadata?.token_endpoint),
    () => new URL("/token", discovery.authorizationServerUrl).href
  )

export const isFor = ({ issuer }: OAuthClientInformation, context: IssuerContext | undefined): boolean =>
  context === undefined || issuer === undefined || Issuer.isSame(issuer, context.issuer)

const clientOf = (login: PendingLogins.PendingLogin): Option.Option<OAuthClientInformation> =>
  Option.map(login.clientId, (client_id) => ({
    client_id,
    ...Option.match(login.clientSecret, {
      onNone: () => ({}),
      onSome: (one) => ({ client_secret: Redacted.value(one) })
    }),
    ...Option.match(login.clientSecretExpiresAt, {
      onNone: () => ({}),
      onSome: (client_secret_expires_at) => ({ client_secret_expires_at })
    }),
    ...Option.match(login.tokenEndpointAuthMethod, {
      onNone: () => ({}),
      onSome: (token_endpoint_auth_method) => ({ token_endpoint_auth_method })
    }),
    ...Option.match(login.issuer, { onNone: () => ({}), onSome: (issuer) => ({ issuer }) })
  }))

/** Without the endpoints, which the SDK finds again at the same server: an attempt keeps no documents. */
const discoveryOf = (login: PendingLogins.PendingLogin): Option.Option<OAuthDiscoveryState> =>
  Option.map(login.issuer, (authorizationServerUrl) => ({ authorizationServerUrl }))

export interface Services {
  readonly pending: PendingLogins.PendingLogins["Type"]
  readonly host: Host["Type"]
}

export const make = ({ host, pending }: Services, key: PendingLogins.PendingKey) => {
  let state: string | undefined
  let codeVerifier: string | undefined
  let client: OAuthClientInformation | undefined
  let discovered: { readonly state: OAuthDiscoveryState; readonly at: number } | undefined

  /** The attempt as it is kept, if it is not too old to be finished. */
  const kept = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.map(
      pending.get(key),
      Option.filter((login) => !PendingLogins.isAncient(login.createdAt, now))
    ))

  const discovery = Effect.flatMap(
    Clock.currentTimeMillis,
    (now) =>
      discovered !== undefined && !PendingLogins.isAncient(discovered.at / 1_000, now)
        ? Effect.succeedSome(discovered.state)
        : Effect.map(kept, Option.flatMap(discoveryOf))
  )

  return {
    key,
    kept,
    discovery,

    newState: Effect.tap(host.newId, (id) => Effect.sync(() => void (state = id))),
    /** What an answer must name. */
    state: Effect.suspend(() =>
      state === undefined
        ? Effect.map(kept, Option.flatMap((login) => Option.map(login.state, Redacted.value)))
        : Effect.succeedSome(state)
    ),

    keepVerifier: (verifier: string) => Effect.sync(() => void (codeVerifier = verifier)),
    verifier: Effect.suspend(() =>
      codeVerifier === undefined
        ? Effect.map(kept, Option.flatMap((login) => Option.map(login.codeVerifier, Redacted.value)))
        : Effect.succeedSome(codeVerifier)
    ),

    keepClient: (one: OAuthClientInformation) => Effect.sync(() => void (client = one)),
    client: (context: IssuerContext | undefined) =>
      Effect.map(
        Effect.suspend(() =>
          client === undefined ? Effect.map(kept, Option.flatMap(clientOf)) : Effect.succeedSome(client)
        ),
        Option.filter((one) => isFor(one, context))
      ),

    keepDiscovery: (found: OAuthDiscoveryState) =>
      Effect.map(Clock.currentTimeMillis, (at) => void (discovered = { state: found, at })),
    forgetDiscovery: Effect.sync(() => void (discovered = undefined)),

    /** Makes the attempt durable, before a person leaves with its address. */
    begin: (url: URL, replaces: Option.Option<string>, client: Option.Option<OAuthClientInformation>) =>
      Effect.gen(function*() {
        const known = Option.getOrUndefined(client)
        const found = yield* discovery
        const parameter = (name: string) => text(url.searchParams.get(name))
        const login = PendingLogins.PendingLogin.make({
          vendor: Option.some(VENDOR),
          issuer: Option.map(found, issuerOf),
          tokenEndpoint: Option.map(found, tokenEndpointOf),
          revocationEndpoint: Option.flatMap(
            found,
            ({ authorizationServerMetadata }) => text(authorizationServerMetadata?.revocation_endpoint)
          ),
          clientId: parameter("client_id"),
          clientSecret: secret(known?.client_secret),
          clientSecretExpiresAt: Option.filter(
            Option.fromNullable(known?.client_secret_expires_at),
            (end) => end > NEVER
          ),
          tokenEndpointAuthMethod: Option.fromNullable(known?.token_endpoint_auth_method),
          scope: parameter("scope"),
          resource: parameter("resource"),
          state: secret(url.searchParams.get("state") ?? undefined),
          codeVerifier: secret(codeVerifier),
          redirectUri: parameter("redirect_uri"),
          issRequired: Option.exists(
            found,
            ({ authorizationServerMetadata }) =>
              authorizationServerMetadata?.authorization_response_iss_parameter_supported === true
          ),
          replaces,
          createdAt: Math.floor((yield* Clock.currentTimeMillis) / 1_000)
        })
        yield* pending.put(key, login)
      }),

    /** Drops the client, if it is still the one that was shown to the server. */
    forgetClient: (shown: string) =>
      Effect.gen(function*() {
        if (client?.client_id === shown) client = undefined
        const login = yield* pending.get(key)
        if (Option.exists(login, ({ clientId }) => Option.contains(clientId, shown))) {
          yield* pending.remove(key, Option.getOrThrow(login))
        }
      }),

    /** Drops what the person's answer would be completed with: of this attempt, and of none that was begun since. */
    end: Effect.gen(function*() {
      const own = yield* Effect.map(
        pending.get(key),
        Option.filter((login) =>
          codeVerifier === undefined || Option.exists(login.codeVerifier, (one) => Redacted.value(one) === codeVerifier)
        )
      )
      codeVerifier = undefined
      state = undefined
      if (Option.isSome(own)) yield* pending.remove(key, own.value)
    })
  }
}

export type Flow = ReturnType<typeof make>
