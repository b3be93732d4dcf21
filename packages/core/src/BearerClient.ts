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
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { BearerError } from "./BearerError.js"
import type { BearerOptions } from "./BearerOptions.js"
import * as Bearer from "./internal/bearer.js"
import { BODY_HEADERS, ORIGIN_HEADERS } from "./internal/redirect.js"
import { isReplayable } from "./internal/replayable.js"
import type { RefreshCoordinator } from "./RefreshCoordinator.js"

/**
 * Whose token goes where, and how.
 *
 * @since 0.1.0
 * @category models
 */
export type Options = BearerOptions

type Request = HttpClientRequest.HttpClientRequest

/** A rejected response is read to its end, which keeps the connection, unless it is long or slow. */
const RELEASE_BYTES = 65_536
const RELEASE_TIME = "1 second"

const urlOf = (request: Request) => UrlParams.makeUrl(request.url, request.urlParams, request.hash)

const isEmpty = ({ body }: Request): boolean =>
  body._tag === "Empty" || (body._tag === "Raw" && (body.body === null || body.body === undefined))

/** An effectful stream may be one that can be run once only; nobody can tell. */
const mayReplay = ({ body }: Request): boolean => body._tag === "Raw" ? isReplayable(body.body) : body._tag !== "Stream"

const withoutHeaders = (request: Request, names: ReadonlyArray<string>): Request =>
  HttpClientRequest.setHeaders(
    // The headers of a request are only ever added to, so that it is made anew.
    HttpClientRequest.make(request.method)(request.url, { urlParams: request.urlParams, body: request.body } as never),
    names.reduce((headers, name) => Headers.remove(headers, name), request.headers)
  )

/** The request that the caller made: the one that was sent holds the token, and whoever prints this must not. */
const withoutToken = (response: HttpClientResponse, request: Request): HttpClientResponse =>
  Object.create(response, { request: { value: request, enumerable: true } }) as HttpClientResponse

const hideToken = <E>(error: E, request: Request): E => {
  if (!HttpClientError.isHttpClientError(error)) return error
  const hidden = error._tag === "RequestError"
    ? new HttpClientError.RequestError({ ...error, request })
    : new HttpClientError.ResponseError({ ...error, request, response: withoutToken(error.response, request) })
  return hidden as E
}

const redactAuthorization = Effect.locallyWith(
  Headers.currentRedactedNames,
  (names: ReadonlyArray<string | RegExp>) => [...names, "authorization"]
)

/** The client built on `fetch` would follow redirects by itself. */
const followNothing = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWithEffect((context: Context.Context<R>) =>
    Effect.provideService(effect, FetchHttpClient.RequestInit, {
      ...Option.getOrUndefined(
        Context.getOption(context as Context.Context<unknown>, FetchHttpClient.RequestInit as never)
      ),
      redirect: "manual"
    })
  ) as Effect.Effect<A, E, R>

/**
 * Makes the transformation of a client for one tenant.
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
    const sendAs = (request: Request, sent: Request): Effect.Effect<HttpClientResponse, E, R> =>
      HttpClient.mapRequest(client, () => sent).execute(request).pipe(
        Effect.map((response) => withoutToken(response, request)),
        Effect.mapError((error) => hideToken(error, request)),
        followNothing,
        redactAuthorization
      )

    const run = bearer<Request, HttpClientResponse, E, R>({
      target: (request) => ({ method: request.method, url: Either.getOrThrow(urlOf(request)) }),
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
      release: (response) =>
        response.stream.pipe(
          Stream.mapAccum(0, (total, chunk) => [total + chunk.length, total + chunk.length] as const),
          Stream.takeWhile((total) => total < RELEASE_BYTES),
          Stream.runDrain,
          Effect.timeoutOption(RELEASE_TIME),
          Effect.ignore
        )
    })

    return HttpClient.transform(client, (effect, request) =>
      // What is no address is told by the client itself, which cannot send it.
      Either.isLeft(urlOf(request)) ? effect : run(request))
  })
