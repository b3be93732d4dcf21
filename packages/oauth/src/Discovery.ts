/**
 * Finds a server's endpoints from its issuer, in the order of MCP: RFC 8414; the document of OpenID Connect where RFC 8414
 * puts its own; and where OpenID Connect Discovery 1.0 puts it. They differ for an issuer with a path.
 *
 * @since 0.1.0
 */
import { ProviderRejected, ProviderUnavailable } from "@lockstep/core/Errors"
import * as Issuer from "@lockstep/core/Issuer"
import type { RoundTripper } from "@lockstep/core/RoundTrip"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import * as EndpointUrl from "./EndpointUrl.js"
import * as JsonObject from "./JsonObject.js"
import * as OAuthVendor from "./OAuthVendor.js"
import * as RetryAfter from "./RetryAfter.js"
import * as WireExchange from "./WireExchange.js"
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

const OAUTH = "/.well-known/oauth-authorization-server"
const OPENID = "/.well-known/openid-configuration"

/** RFC 8414 section 3.1 puts its name before the issuer's path, OpenID Connect Discovery 1.0 section 4 after it. */
const addressAt = (place: Place, issuer: URL): string => {
  const url = new URL(issuer)
  const path = issuer.pathname.replace(/\/$/, "")
  url.pathname = place === "openidAppended" ? `${path}${OPENID}` : `${place === "oauth" ? OAUTH : OPENID}${path}`
  return url.href
}

interface Inquiry {
  readonly roundTripper: RoundTripper
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

/** The document at one place; `None` where the server serves no document there. */
const ask = (
  { isAnyIssuer, isExact, issuer, roundTripper, tenant, text }: Inquiry,
  place: Place
): Effect.Effect<Option.Option<OAuth.AuthorizationServer>, DiscoveryError> =>
  Effect.gen(function*() {
    const request = new WireRequest.WireRequest({
      url: addressAt(place, issuer),
      method: "GET",
      headers: Redacted.make({ ...OAuthVendor.generic.headers, accept: "application/json" }),
      body: Redacted.make(undefined)
    })
    const exchange = yield* WireExchange.send(roundTripper, request, TIMEOUT)
    if (exchange._tag === "Silent") {
      return yield* unavailable(tenant, "Transport", "discovery was not answered in time")
    }
    if (exchange._tag !== "Answered") return yield* WireExchange.unreached(tenant, exchange)

    const { answer } = exchange
    const detail = `discovery: HTTP ${answer.status}`
    const now = yield* Clock.currentTimeMillis
    const retryAfter = Option.getOrElse(RetryAfter.millis(answer, now), () => PAUSE)
    if (answer.status === 429) return yield* unavailable(tenant, "RateLimited", detail, retryAfter)
    if (answer.status >= 500) return yield* unavailable(tenant, "ServerError", detail, retryAfter)
    if (answer.status !== 200) return Option.none()
    if (answer.end !== "Whole") return yield* unavailable(tenant, "Transport", `${detail}, cut short`)
    // Whatever type the server gave it: the issuer inside decides. A page instead of a document, as single-page
    // applications serve under every path, is no document.
    const document = JsonObject.parse(Redacted.value(answer.body))
    const named = Option.flatMap(document, (found) => JsonObject.text(found, "issuer"))
    if (Option.isNone(document) || Option.isNone(named) || !URL.canParse(named.value)) return Option.none()
    const isOther = new URL(named.value).href !== issuer.href || isExact && !Issuer.isSame(named.value, text)
    if (isOther && !isAnyIssuer) return yield* otherIssuer(tenant, text, named.value)
    return Option.some(document.value as unknown as OAuth.AuthorizationServer)
  })

/**
 * Finds metadata by issuer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Discovery {
  readonly metadata: (inquiry: {
    readonly roundTripper: RoundTripper
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
    metadata: ({ isAnyIssuer = false, isExact = false, issuer: text, roundTripper, tenant }) =>
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
          const found = yield* ask({ roundTripper, tenant, issuer, text, isAnyIssuer, isExact }, place).pipe(
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
            // What was believed against the rules is believed only for the login that allowed it.
            if (!isAnyIssuer) known.set(text, { at: now, metadata: found.value })
            return found.value
          }
        }
        return yield* trouble ?? rejected(tenant, NO_DOCUMENT)
      }).pipe(Effect.withSpan("lockstep.oauth.discovery"))
  }
})
