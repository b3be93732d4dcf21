/**
 * An `HttpClient` that sends a fresh token with every request, recovers once from a rejected one, and sends nothing twice
 * but what was answered 401.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type BearerError, RequestRefused } from "./BearerError.js"
import type { BearerOptions, Target } from "./BearerOptions.js"
import { BODY_HEADERS, ORIGIN_HEADERS } from "./internal/redirect.js"
import { release } from "./internal/release.js"
import { isReplayable, WITHOUT_COOKIES } from "./internal/replayable.js"
import * as Bearer from "./internal/request.js"
import * as WithoutToken from "./internal/withoutToken.js"

/**
 * Whose token goes where, and how.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = BearerOptions

type Request = HttpClientRequest.HttpClientRequest

const urlOf = (request: Request) => UrlParams.makeUrl(request.url, request.urlParams, request.hash)

const targetOf = (request: Request): Target => ({ method: request.method, url: Either.getOrThrow(urlOf(request)) })

const isEmpty = ({ body }: Request): boolean =>
  body._tag === "Empty" || (body._tag === "Raw" && (body.body === null || body.body === undefined))

/** An effectful stream may be one that can be run once only; it does not say. */
const mayReplay = ({ body }: Request): boolean => body._tag === "Raw" ? isReplayable(body.body) : body._tag !== "Stream"

const withoutHeaders = (request: Request, names: ReadonlyArray<string>): Request =>
  HttpClientRequest.setHeaders(
    // The headers of a request are only ever added to, so that it is made anew.
    HttpClientRequest.make(request.method)(request.url, { urlParams: request.urlParams, body: request.body } as never),
    names.reduce((headers, name) => Headers.remove(headers, name), request.headers)
  )

const redactAuthorization = Effect.locallyWith(
  Headers.currentRedactedNames,
  (names: ReadonlyArray<string | RegExp>) => [...names, "authorization"]
)

/** The client that is built on `fetch` would follow redirects by itself. */
const followNothing = (body: HttpBody.HttpBody) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWithEffect((context: Context.Context<R>) =>
    Effect.provide(
      effect,
      Context.add(context, FetchHttpClient.RequestInit, {
        ...(body._tag === "Stream" ? WITHOUT_COOKIES : {}),
        ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
        redirect: "manual"
      })
    )
  )

/**
 * `HttpClient.followRedirects` inside of this client sends whatever headers it was given to wherever it is sent. There is
 * no way to see it from here before it happens; that it happened is told in the first test.
 */
const noticeEscape = (
  tenant: string,
  { url }: Target,
  response: HttpClientResponse
): Effect.Effect<void, RequestRefused> => {
  const reached = response.request.url
  return !URL.canParse(reached) || new URL(reached).origin === url.origin
    ? Effect.void
    : new RequestRefused({
      tenant,
      reason: "OtherOrigin",
      origin: new URL(reached).origin,
      detail: "a client inside of this one follows redirects by itself, and may have sent the token there"
    })
}

/**
 * Makes the transformation of a client for one tenant. Redirects are followed here, as the Fetch standard has it, and
 * never with the token to another origin: the client that is given must not follow them itself. Those on `fetch` are
 * told so with every request, for which `FetchHttpClient.RequestInit` counts as it is where the request is made, and not
 * as it was where the layer was built. `HttpClient.followRedirects` and `HttpClient.withScope` go outside and inside of
 * it, in this order.
 *
 * A timeout around a request counts the refresh before it, too; the option `timeout` does not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<
  <E, R>(client: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E | BearerError, R>,
  never,
  RefreshCoordinator
> =>
  Effect.map(Bearer.make(options), (bearer) => <E, R>(client: HttpClient.HttpClient.With<E, R>) => {
    const sendAs = (request: Request, sent: Request): Effect.Effect<HttpClientResponse, E | RequestRefused, R> =>
      HttpClient.mapRequest(client, () => sent).execute(request).pipe(
        Effect.tap((response) =>
          sent === request ? Effect.void : noticeEscape(options.tenant, targetOf(request), response)
        ),
        Effect.map((response) => WithoutToken.ofResponse(response, request)),
        Effect.mapError((error) => WithoutToken.ofError(error, request)),
        followNothing(sent.body),
        redactAuthorization
      )

    const run = bearer<Request, HttpClientResponse, E | RequestRefused, R>({
      target: targetOf,
      hasAuthorization: (request) => Headers.has(request.headers, "authorization"),
      follows: () => true,
      body: (request) => ({ isEmpty: isEmpty(request), isReplayable: mayReplay(request) }),
      send: (request, token) =>
        sendAs(
          request,
          Option.match(token, {
            onNone: () => request,
            onSome: (one) => HttpClientRequest.setHeader(request, "authorization", `Bearer ${Redacted.value(one)}`)
          })
        ),
      redirected: (request, { crossesOrigin, dropsBody, method, url }) => {
        const headers = [...(crossesOrigin ? ORIGIN_HEADERS : []), ...(dropsBody ? BODY_HEADERS : [])]
        const kept = HttpClientRequest.setUrl(withoutHeaders(request, headers), url)
        return dropsBody
          ? HttpClientRequest.setMethod(HttpClientRequest.setBody(kept, HttpBody.empty), method as "GET")
          : kept
      },
      status: ({ status }) => status,
      header: ({ headers }, name) => headers[name],
      release
    })

    return HttpClient.transform(client, (effect, request) =>
      // What is no address is told by the client itself, which cannot send it.
      Either.isLeft(urlOf(request)) ? effect : run(request))
  })
