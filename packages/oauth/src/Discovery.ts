/**
 * Finds a server's endpoints from its issuer, in the order of MCP: RFC 8414; the document of OpenID Connect where RFC 8414
 * puts its own; and where OpenID Connect Discovery 1.0 puts it. They differ for an issuer with a path.
 *
 * @since 0.1.0
 */
import { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import type { FetchFunction } from "@lockstep/core/FetchFunction"
import * as Issuer from "@lockstep/core/Issuer"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as OAuth from "oauth4webapi"
import * as EndpointUrl from "./EndpointUrl.js"
import * as Exchange from "./Exchange.js"
import * as JsonObject from "./JsonObject.js"
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

/**
 * What a server says that describes itself nowhere.
 *
 * @since 0.1.0
 * @category constants
 */
export const NO_DOCUMENT = "the issuer has no discovery document"

/** How long a document is believed. */
const LIFETIME = Duration.toMillis("1 hour")

/** What is waited before a server is asked again that names no time. */
const PAUSE = 1_000

type Place = "oauth" | "openidInserted" | "openidAppended"

const placesOf = ({ pathname }: URL): ReadonlyArray<Place> =>
  pathname === "/" ? ["oauth", "openidAppended"] : ["oauth", "openidInserted", "openidAppended"]

/** RFC 8414 section 5: an OpenID Connect server may put its document where RFC 8414 wants one. */
const atPlace = (place: Place, url: string): string =>
  place === "openidInserted" ? url.replace("/.well-known/oauth-authorization-server/", `${OPENID}/`) : url

const OPENID = "/.well-known/openid-configuration"

interface Inquiry {
  readonly fetch: FetchFunction
  readonly tenant: TenantId
  readonly issuer: URL
  /** As it was named. */
  readonly text: string
  readonly isExact: boolean
  readonly isAnyIssuer: boolean
}

const rejected = (tenant: TenantId, detail: string) => new ProviderRejected({ tenant, reason: "Protocol", detail })

const unavailable = (
  tenant: TenantId,
  reason: "Transport" | "RateLimited" | "ServerError",
  detail: string,
  retryAfter = PAUSE
) => new ProviderUnavailable({ tenant, reason, retryAfter, detail })

/** Some servers with a path name themselves with a slash and are named without it, or the other way round. */
const otherIssuer = (tenant: TenantId, named: string, found: unknown) =>
  rejected(
    tenant,
    `the discovery document names another issuer${
      typeof found === "string" && found.replace(/\/$/, "") === named.replace(/\/$/, "")
        ? ": they differ in the slash at the end"
        : ""
    }`
  )

/** The issuer that a document names. */
const namedIn = ({ body }: Exchange.WireAnswer): Option.Option<URL> =>
  JsonObject.parse(Redacted.value(body)).pipe(
    Option.flatMap((document) => JsonObject.text(document, "issuer")),
    Option.filter((text) => URL.canParse(text)),
    Option.map((text) => new URL(text))
  )

/** The document at one place; `None` where the server has none there. */
const ask = (
  { fetch, isAnyIssuer, isExact, issuer, tenant, text }: Inquiry,
  place: Place
): Effect.Effect<Option.Option<OAuth.AuthorizationServer>, DiscoveryError> =>
  Effect.gen(function*() {
    const request = yield* WireRequest.capture((customFetch) =>
      OAuth.discoveryRequest(issuer, {
        algorithm: place === "openidAppended" ? "oidc" : "oauth2",
        headers: { ...OAuthVendor.generic.headers },
        [OAuth.customFetch]: customFetch,
        [OAuth.allowInsecureRequests]: EndpointUrl.isLoopback(issuer)
      })
    ).pipe(Effect.mapError(({ detail }) => rejected(tenant, detail)))
    const placed = new WireRequest.WireRequest({ ...request, url: atPlace(place, request.url) })
    const exchange = yield* Exchange.send(fetch, placed).pipe(
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
          isAnyIssuer ? Option.getOrElse(namedIn(answer), () => issuer) : issuer,
          // Whatever type the server gave it: the issuer inside decides.
          new Response(Redacted.value(answer.body), { headers: { "content-type": "application/json" } })
        ),
      catch: (cause) => cause
    }).pipe(
      Effect.filterOrFail(
        (found) => !isExact || isAnyIssuer || Issuer.isSame(found.issuer, text),
        ({ issuer: found }) => otherIssuer(tenant, text, found)
      ),
      Effect.asSome,
      Effect.catchAll((cause) =>
        cause instanceof OAuth.OperationProcessingError && cause.code === OAuth.JSON_ATTRIBUTE_COMPARISON
          ? otherIssuer(tenant, text, Option.getOrUndefined(namedIn(answer))?.href)
          : cause instanceof ProviderRejected
          ? cause
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
    /** Whether the document has to name the issuer letter for letter, save for the slash of one without a path. */
    readonly isExact?: boolean
    /** Whether the document may name any issuer: what RFC 8414 section 3.3 forbids, and a person has allowed. */
    readonly isAnyIssuer?: boolean
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
    metadata: ({ fetch, isAnyIssuer = false, isExact = false, issuer: text, tenant }) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const earlier = known.get(text)
        if (earlier !== undefined && now >= earlier.at && now < earlier.at + LIFETIME) {
          if (isExact && !isAnyIssuer && !Issuer.isSame(earlier.metadata.issuer, text)) {
            return yield* otherIssuer(tenant, text, earlier.metadata.issuer)
          }
          return earlier.metadata
        }
        const issuer = yield* Effect.mapError(
          EndpointUrl.parse(text, "the issuer"),
          (detail) => rejected(tenant, detail)
        )
        let trouble: ProviderUnavailable | undefined
        for (const place of placesOf(issuer)) {
          const found = yield* ask({ fetch, tenant, issuer, text, isAnyIssuer, isExact }, place).pipe(
            // The place is guessed: a gateway that has nothing there may call it an error of its own.
            Effect.catchIf(
              (error): error is ProviderUnavailable => error.reason === "ServerError",
              (error) => {
                trouble ??= error
                return Effect.succeedNone
              }
            )
          )
          if (Option.isSome(found)) {
            // What was believed against the rules is believed by who allowed it, and by nobody else.
            if (!isAnyIssuer) known.set(text, { at: now, metadata: found.value })
            return found.value
          }
        }
        return yield* trouble ?? rejected(tenant, NO_DOCUMENT)
      }).pipe(Effect.withSpan("lockstep.oauth.discovery"))
  }
})
