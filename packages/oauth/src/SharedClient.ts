/**
 * The client that all logins at one server share: registered once (RFC 7591), kept by issuer, renewed when answers to it
 * would go elsewhere or when the server no longer knows it.
 *
 * @since 0.1.0
 */
import { type ClientRegistrations, RegisteredClient } from "@lockstep/core/ClientRegistrations"
import { ProviderRejected } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ClientRegistration from "./ClientRegistration.js"
import type { LoginRequest } from "./Login.js"
import * as LoginClient from "./LoginClient.js"
import type { LoginError } from "./LoginError.js"
import { LoginFailed } from "./LoginError.js"
import type { StartedLogin } from "./LoginStart.js"
import { generic } from "./OAuthVendor.js"

/**
 * Reads the redirect address that the known client was registered with, where it is one of this machine, like ours.
 *
 * @since 0.1.0
 * @category getters
 */
export const redirectOf = ({ target }: StartedLogin): Option.Option<URL> => {
  const { redirect } = target.request.vendor
  return target.client.pipe(
    Option.flatMap((client) => client.redirect._tag === "Registered" ? client.redirect.uri : Option.none()),
    Option.filter((uri) => URL.canParse(uri)),
    Option.map((uri) => new URL(uri)),
    Option.filter(({ hostname, pathname, port, protocol }) =>
      protocol === "http:" && hostname === redirect.host && pathname === redirect.path && port !== ""
    )
  )
}

/**
 * Puts the registered port before the others: not every server knows that the port of this machine may differ (RFC 8252
 * section 7.3).
 *
 * @since 0.1.0
 * @category combinators
 */
export const preferringItsPort = (started: StartedLogin, request: LoginRequest): LoginRequest =>
  Option.match(redirectOf(started), {
    onNone: () => request,
    onSome: ({ port }) => {
      const { redirect } = request.vendor
      return {
        ...request,
        vendor: { ...request.vendor, redirect: { ...redirect, ports: [Number(port), ...redirect.ports] } }
      }
    }
  })

/** Whose client it is. */
interface Known {
  readonly tenant: TenantId
  readonly issuer: Option.Option<string>
  readonly clientId: Option.Option<string>
}

/**
 * Keeps, renews and forgets clients.
 *
 * @since 0.1.0
 * @category models
 */
export interface SharedClient {
  /** The client that is known, unless answers to it go elsewhere; else one that is registered now, and kept. */
  readonly of: (
    started: StartedLogin,
    redirectUri: Option.Option<string>
  ) => Effect.Effect<LoginClient.LoginClient, LoginError>

  /** Registers another client in place of one that the server refuses on a page. */
  readonly renewed: (
    started: StartedLogin,
    redirectUri: Option.Option<string>,
    refused: LoginClient.LoginClient
  ) => Effect.Effect<LoginClient.LoginClient, LoginError>

  /**
   * Where the server refuses a registered client, notes that it has ended, so that the next login registers another.
   * Compare-and-swap: one that another process registered meanwhile stays.
   */
  readonly forgetting: (
    login: Known
  ) => <A, E>(self: Effect.Effect<A, E | LoginError>) => Effect.Effect<A, E | LoginError>

  /** Notes that a client has led to a login. Best effort. */
  readonly proven: (login: Known) => Effect.Effect<void>

  /** Forgets a client that never led to a login. Best effort. */
  readonly dropUnproven: (login: Known) => Effect.Effect<void>
}

const recordOf = (client: LoginClient.LoginClient, now: number): RegisteredClient =>
  RegisteredClient.make({
    clientId: client.id,
    clientSecret: client.secret,
    clientSecretExpiresAt: client.secretExpiresAt,
    tokenEndpointAuthMethod: client.authMethod,
    redirectUri: client.redirect._tag === "Registered" ? client.redirect.uri : Option.none(),
    scope: client.scope ?? Option.none(),
    unused: true,
    registeredAt: Math.floor(now / 1_000)
  })

const isRefusedClient = (error: unknown): error is ProviderRejected =>
  error instanceof ProviderRejected && error.reason === "InvalidClient"

/** A scope that a client was not registered for: another client, registered with it, may ask for it. */
const isRefusedScope = (error: unknown): error is ProviderRejected =>
  error instanceof ProviderRejected && error.reason === "Protocol" && /\binvalid_scope\b/.test(error.detail ?? "")

const union = (...scopes: ReadonlyArray<Option.Option<string>>): Option.Option<string> =>
  Option.filter(
    Option.some([...new Set(scopes.flatMap(Option.toArray).flatMap((scope) => scope.split(" ")))].join(" ")),
    (scope) => scope !== ""
  )

/**
 * Makes the keeper of clients over the registrations of a home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (registrations: ClientRegistrations["Type"]): SharedClient => {
  const register = (
    { target, wire }: StartedLogin,
    redirectUri: Option.Option<string>,
    known: Option.Option<LoginClient.LoginClient>
  ) =>
    Effect.gen(function*() {
      const { issuer, request: { vendor } } = target
      // The scopes of the others, too, who shared the client that this one takes the place of.
      const shared = Option.flatMap(known, ({ scope = Option.none() }) => scope)
      const registered = yield* ClientRegistration.register(wire, target, {
        redirectUri,
        scope: union(target.scope, shared)
      })
      if (Option.isSome(issuer) && (vendor.strict || vendor.id === generic.id)) {
        const now = yield* Clock.currentTimeMillis
        // Another process may have registered at the same time: its client serves this login, too, if answers to it come
        // here. A login is worth no less for a client that was not kept.
        return yield* Effect.matchEffect(
          registrations.putIfAbsent(issuer.value, recordOf(registered, now), Option.map(known, ({ id }) => id)),
          {
            onSuccess: (one) => {
              const kept = LoginClient.kept(one)
              return Effect.succeed(LoginClient.fits(kept, redirectUri, target.scope) ? kept : registered)
            },
            onFailure: ({ _tag }) =>
              Effect.as(
                Effect.annotateLogs(Effect.logWarning("the registered client is not kept for other logins"), {
                  error: _tag
                }),
                registered
              )
          }
        )
      }
      return registered
    })

  const keptOf = ({ clientId, issuer }: Known) =>
    Effect.map(
      Effect.orElseSucceed(Effect.transposeMapOption(issuer, registrations.get), Option.none),
      (found) => Option.filter(Option.flatten(found), (client) => Option.contains(clientId, client.clientId))
    )

  return {
    of: (started, redirectUri) => {
      const { client, endpoints, scope } = started.target
      const known = Option.filter(
        client,
        (one) => LoginClient.fits(one, redirectUri, scope) || Option.isNone(endpoints.registrationEndpoint)
      )
      return Option.isSome(known) ? Effect.succeed(known.value) : register(started, redirectUri, client)
    },
    renewed: (started, redirectUri, refused) => register(started, redirectUri, Option.some(refused)),
    forgetting: ({ clientId, issuer, tenant }) => (self) =>
      Effect.catchIf(
        self,
        (error) => isRefusedClient(error) || isRefusedScope(error),
        (error) =>
          Effect.gen(function*() {
            const named = Option.all([issuer, clientId])
            const isOurs = Option.isSome(named) &&
              (yield* Effect.orElseSucceed(registrations.end(...named.value), () => false))
            return yield* isOurs && isRefusedClient(error)
              ? new LoginFailed({ tenant, reason: "ClientForgotten", detail: error.detail })
              : error
          })
      ),
    proven: (login) =>
      Effect.gen(function*() {
        const kept = yield* keptOf(login)
        if (Option.isNone(kept) || Option.isNone(login.issuer) || !kept.value.unused) return
        yield* registrations.put(
          login.issuer.value,
          RegisteredClient.make({ ...kept.value, unused: false, ended: false })
        )
      }).pipe(Effect.ignore),
    dropUnproven: (login) =>
      Effect.gen(function*() {
        const kept = yield* keptOf(login)
        if (Option.isNone(kept) || Option.isNone(login.issuer) || !kept.value.unused) return
        yield* registrations.end(login.issuer.value, kept.value.clientId)
      }).pipe(Effect.ignore)
  }
}
