/**
 * Finds a server's endpoints from its issuer: RFC 8414, then OpenID Connect Discovery 1.0.
 *
 * @since 0.1.0
 */
import { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import * as EndpointUrl from "./EndpointUrl.js"
import * as Exchange from "./Exchange.js"
import type { FetchFunction } from "./Fetch.js"
import * as OAuthVendor from "./OAuthVendor.js"
import * as RetryAfter from "./RetryAfter.js"
import * as WireRequest from "./WireRequest.js"

/**
 * What discovery can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DiscoveryError = ProviderUnavailable | ProviderRejected

/** How long one document is waited for: the tenant's lock is held meanwhile. */
const TIMEOUT = Duration.seconds(5)

/** How long a document is believed. */
const LIFETIME = Duration.toMillis("1 hour")

/** What is waited before a server is asked again that names no time. */
const PAUSE = 1_000

const ALGORITHMS = ["oauth2", "oidc"] as const

interface Inquiry {
  readonly fetch: FetchFunction
  readonly tenant: TenantId
  readonly issuer: URL
}

const rejected = (tenant: TenantId, detail: string) => new ProviderRejected({ tenant, reason: "Protocol", detail })

const unavailable = (
  tenant: TenantId,
  reason: "Transport" | "RateLimited" | "ServerError",
  detail: string,
  retryAfter = PAUSE
) => new ProviderUnavailable({ tenant, reason, retryAfter, detail })

/** The document of one algorithm; `None` where the server has none there. */
const ask = (
  { fetch, issuer, tenant }: Inquiry,
  algorithm: typeof ALGORITHMS[number]
): Effect.Effect<Option.Option<OAuth.AuthorizationServer>, DiscoveryError> =>
  Effect.gen(function*() {
    const request = yield* WireRequest.capture((customFetch) =>
      OAuth.discoveryRequest(issuer, {
        algorithm,
        headers: { ...OAuthVendor.generic.headers },
        [OAuth.customFetch]: customFetch,
        [OAuth.allowInsecureRequests]: EndpointUrl.isLoopback(issuer)
      })
    ).pipe(Effect.mapError(({ detail }) => rejected(tenant, detail)))
    const exchange = yield* Exchange.send(fetch, request).pipe(
      Effect.timeoutFail({
        duration: TIMEOUT,
        onTimeout: () => unavailable(tenant, "Transport", "discovery was not answered in time")
      })
    )
    if (exchange._tag !== "Answered") return yield* unavailable(tenant, "Transport", exchange.detail)

    const { answer } = exchange
    const detail = `discovery: HTTP ${answer.status}`
    const now = yield* Clock.currentTimeMillis
    const retryAfter = Option.getOrElse(RetryAfter.millis(answer, now), () => PAUSE)
    if (answer.status === 429) return yield* unavailable(tenant, "RateLimited", detail, retryAfter)
    if (answer.status >= 500) return yield* unavailable(tenant, "ServerError", detail, retryAfter)
    if (answer.status !== 200) return Option.none()
    if (answer.end !== "Whole") return yield* unavailable(tenant, "Transport", `${detail}, cut short`)
    return yield* Effect.tryPromise({
      try: () =>
        OAuth.processDiscoveryResponse(
          issuer,
          // Whatever type the server gave it: the issuer inside decides.
          new Response(Redacted.value(answer.body), { headers: { "content-type": "application/json" } })
        ),
      catch: (cause) => cause
    }).pipe(
      Effect.asSome,
      Effect.catchAll((cause) =>
        cause instanceof OAuth.OperationProcessingError && cause.code === OAuth.JSON_ATTRIBUTE_COMPARISON
          ? rejected(tenant, "the discovery document names another issuer")
          // A page instead of a document, as single-page applications serve under every path.
          : Effect.succeedNone
      )
    )
  })

/**
 * Finds metadata by issuer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Discovery {
  readonly metadata: (inquiry: {
    readonly fetch: FetchFunction
    readonly tenant: TenantId
    readonly issuer: string
  }) => Effect.Effect<OAuth.AuthorizationServer, DiscoveryError>
}

/**
 * Makes a discovery that remembers each document for an hour. Failures are not remembered.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Discovery> = Effect.sync(() => {
  const known = new Map<string, { readonly at: number; readonly metadata: OAuth.AuthorizationServer }>()
  return {
    metadata: ({ fetch, issuer: text, tenant }) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const earlier = known.get(text)
        if (earlier !== undefined && now >= earlier.at && now < earlier.at + LIFETIME) return earlier.metadata
        const issuer = yield* Effect.mapError(
          EndpointUrl.parse(text, "the issuer"),
          (detail) => rejected(tenant, detail)
        )
        for (const algorithm of ALGORITHMS) {
          const found = yield* ask({ fetch, tenant, issuer }, algorithm)
          if (Option.isSome(found)) {
            known.set(text, { at: now, metadata: found.value })
            return found.value
          }
        }
        return yield* rejected(tenant, "the issuer has no discovery document")
      }).pipe(Effect.withSpan("lockstep.oauth.discovery"))
  }
})
