/**
 * One request and all that is known of its fate. The whole answer is captured before anything judges it.
 *
 * @since 0.1.0
 */
import type { FetchFunction, FetchInit, FetchResponse } from "@lockstep/core/FetchFunction"
import * as WholeBody from "@lockstep/core/WholeBody"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TransportFailure from "./TransportFailure.js"
import type { WireRequest } from "./WireRequest.js"

/**
 * An answer as it came. The body may hold tokens, whatever the status says.
 *
 * @since 0.1.0
 * @category models
 */
export interface WireAnswer {
  readonly status: number
  readonly contentType: string
  /** `Retry-After`, `Retry-After-Ms` and `Date`, as sent. */
  readonly retryAfter: string | null
  readonly retryAfterMs: string | null
  readonly date: string | null
  readonly body: Redacted.Redacted<string>
  /** `Cut`: the connection ended inside the body. `TooLarge`: more than {@link BODY_LIMIT} bytes. */
  readonly end: "Whole" | "Cut" | "TooLarge"
}

/**
 * How far a request came.
 *
 * @since 0.1.0
 * @category models
 */
export type Exchange = Data.TaggedEnum<{
  /** Not a byte of the request left. */
  NeverSent: { readonly detail: string }
  /** Sent, perhaps, and no status line was read. */
  Lost: { readonly detail: string }
  Answered: { readonly answer: WireAnswer }
}>

/**
 * Constructors of {@link Exchange}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Exchange = Data.taggedEnum<Exchange>()

/**
 * The longest body that is read, in bytes. Token answers have a few thousand.
 *
 * @since 0.1.0
 * @category defaults
 */
export const BODY_LIMIT = WholeBody.DOCUMENT_LIMIT

const readBody = async (body: FetchResponse["body"]): Promise<Pick<WireAnswer, "body" | "end">> => {
  const { end, text } = await WholeBody.read(body, BODY_LIMIT)
  return { body: Redacted.make(text), end }
}

const readAnswer = (response: FetchResponse): Effect.Effect<Exchange> =>
  Effect.map(
    Effect.promise(() => readBody(response.body)),
    (captured) =>
      Exchange.Answered({
        answer: {
          status: response.status,
          contentType: (response.headers.get("content-type") ?? "").toLowerCase(),
          retryAfter: response.headers.get("retry-after"),
          retryAfterMs: response.headers.get("retry-after-ms"),
          date: response.headers.get("date"),
          ...captured
        }
      })
  )

const initOf = (request: WireRequest, signal: AbortSignal): FetchInit => {
  const headers = Redacted.value(request.headers)
  const body = Redacted.value(request.body)
  const init = { method: request.method, redirect: "manual", duplex: "half", signal } as const
  if (body === undefined) return { ...init, headers }
  const bytes = new TextEncoder().encode(body)
  return {
    ...init,
    headers: { ...headers, "content-length": String(bytes.byteLength) },
    body: new ReadableStream({
      start: (controller) => {
        controller.enqueue(bytes)
        controller.close()
      }
    })
  }
}

const run = (fetch: FetchFunction, request: WireRequest, signal: AbortSignal): Effect.Effect<Exchange> =>
  Effect.matchEffect(
    Effect.tryPromise({
      try: () => fetch(request.url, initOf(request, signal)),
      catch: TransportFailure.fromUnknown
    }),
    {
      onFailure: ({ _tag, detail }) =>
        Effect.succeed(_tag === "NeverSent" ? Exchange.NeverSent({ detail }) : Exchange.Lost({ detail })),
      onSuccess: readAnswer
    }
  )

/**
 * Sends a request once and reads the whole answer. Never fails; interruption aborts the connection.
 *
 * @since 0.1.0
 * @category combinators
 */
export const send = (fetch: FetchFunction, request: WireRequest): Effect.Effect<Exchange> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new AbortController()),
    (controller) => run(fetch, request, controller.signal),
    // Whatever ends the exchange ends its connection: an interrupted one, and one whose body was not read to the end.
    (controller) => Effect.sync(() => controller.abort())
  ).pipe(
    Effect.withSpan("lockstep.oauth.exchange", {
      kind: "client",
      attributes: { "http.request.method": request.method, "server.address": new URL(request.url).host }
    })
  )
