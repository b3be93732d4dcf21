/**
 * A `fetch` that sends a fresh token with every request, recovers once from a rejected one, and sends nothing twice but
 * what was answered 401.
 *
 * @since 0.1.0
 */
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Tracer from "effect/Tracer"
import type { BearerOptions } from "./BearerOptions.js"
import { BODY_HEADERS, ORIGIN_HEADERS } from "./internal/redirect.js"
import { isReplayable, WITHOUT_COOKIES } from "./internal/replayable.js"
import * as Bearer from "./internal/request.js"

/**
 * A function like `fetch`.
 *
 * @since 0.1.0
 * @category models
 */
export type FetchLike = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * Whose token goes where, how, and with which `fetch`: the global one, as it is at each call, where none is given.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends BearerOptions {
  readonly fetch?: FetchLike
}

/** A request whose parts are known, and whose body is not inside of a `Request`, where it could be read once only. */
interface Parts {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: RequestInit["body"]
  readonly rest: RequestInit
}

/** `fetch` writes these in upper case, and every other method as it is given. */
const NORMALIZED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"])

const normalize = (method: string): string => {
  const upper = method.toUpperCase()
  return NORMALIZED.has(upper) ? upper : method
}

const toParts = async (input: string | URL | Request, init: RequestInit): Promise<Parts> => {
  if (!(input instanceof Request)) {
    const { body, headers, method, ...rest } = init
    return {
      url: new URL(input),
      method: normalize(method ?? "GET"),
      headers: new Headers(headers),
      body: body ?? null,
      rest
    }
  }
  const request = new Request(input, init)
  const body = request.body === null ? null : await request.arrayBuffer()
  const { cache, credentials, integrity, keepalive, mode, redirect, referrer, referrerPolicy, signal } = request
  return {
    url: new URL(request.url),
    method: request.method,
    headers: new Headers(request.headers),
    body,
    rest: { cache, credentials, integrity, keepalive, mode, redirect, referrer, referrerPolicy, ...init, signal }
  }
}

const withHeaders = (headers: Headers, change: (copy: Headers) => void): Headers => {
  const copy = new Headers(headers)
  change(copy)
  return copy
}

/** What `fetch` itself rejects with, whatever that is: it passes through as it is. */
class Rejection {
  readonly _tag = "Rejection"
  readonly reason: unknown
  constructor(reason: unknown) {
    this.reason = reason
  }
}

/**
 * Makes a `fetch` for one tenant. Its promise rejects with the typed error itself (an `Error` with `_tag`), with whatever
 * `fetch` rejects with, or with the reason of the caller's signal.
 *
 * A signal ends the wait for a refresh, too, and never the refresh: `AbortSignal.timeout` counts both. The option `timeout`
 * counts sending only; so does a signal that is made after `accessToken` has answered.
 *
 * Redirects are followed here where the mode is `follow`, so that the answer's `redirected` stays false; its `url` is the
 * last one. A `Request` that has a body is read into memory before it is sent; who streams passes an address and options,
 * and a stream is not sent twice.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<FetchLike, never, RefreshCoordinator> =>
  Effect.gen(function*() {
    const bearer = yield* Bearer.make(options)
    // The span that this is made in has ended when the requests are made.
    const runtime = Runtime.updateContext(yield* Effect.runtime<never>(), Context.omit(Tracer.ParentSpan))

    const run = bearer<Parts, Response, Rejection, never>({
      target: ({ method, url }) => ({ method: method.toUpperCase(), url }),
      hasAuthorization: ({ headers }) => headers.has("authorization"),
      follows: ({ rest }) => rest.redirect === undefined || rest.redirect === "follow",
      body: ({ body }) => ({ isEmpty: body === null, isReplayable: isReplayable(body) }),
      send: ({ body, headers, method, rest, url }, token) =>
        Effect.tryPromise({
          try: (interrupted) =>
            (options.fetch ?? globalThis.fetch)(url, {
              ...(isReplayable(body) ? {} : WITHOUT_COOKIES),
              ...rest,
              method,
              headers: Option.match(token, {
                onNone: () => headers,
                onSome: (one) =>
                  withHeaders(headers, (copy) => copy.set("authorization", `Bearer ${Redacted.value(one)}`))
              }),
              body: body ?? null,
              redirect: rest.redirect === "error" ? "error" : "manual",
              // The caller's signal reaches further than this effect: it ends the body, too.
              signal: rest.signal ? AbortSignal.any([rest.signal, interrupted]) : interrupted
            }),
          catch: (reason) => new Rejection(reason)
        }),
      redirected: (parts, { crossesOrigin, dropsBody, method, url }) => ({
        ...parts,
        url,
        method,
        body: dropsBody ? null : parts.body,
        headers: withHeaders(parts.headers, (copy) => {
          for (const name of crossesOrigin ? ORIGIN_HEADERS : []) copy.delete(name)
          for (const name of dropsBody ? BODY_HEADERS : []) copy.delete(name)
        })
      }),
      status: ({ status }) => status,
      header: ({ headers }, name) => headers.get(name),
      release: ({ body }) => Effect.ignore(Effect.tryPromise(async () => body?.cancel()))
    })

    return async (input, init = {}) => {
      const parts = await toParts(input, init)
      // One of its own: many requests may share the caller's, whose many listeners would be taken for a leak.
      const signal = parts.rest.signal ? AbortSignal.any([parts.rest.signal]) : undefined
      signal?.throwIfAborted()
      const exit = await Runtime.runPromiseExit(runtime)(run(parts), signal === undefined ? {} : { signal })
      if (Exit.isSuccess(exit)) return exit.value
      if (signal?.aborted === true && Cause.isInterrupted(exit.cause)) throw signal.reason
      const error = Cause.squash(exit.cause)
      throw error instanceof Rejection ? error.reason : error
    }
  })
