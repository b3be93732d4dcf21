/**
 * One bounded request that carries no credential. Redirects are told and not followed.
 *
 * @since 0.1.0
 */
import * as RoundTrip from "@lockstep/core/RoundTrip"
import * as WholeBody from "@lockstep/core/WholeBody"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type McpError, McpServerUnavailable, nameOf } from "./McpError.js"

/**
 * What is asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly url: URL
  readonly method: "GET" | "POST"
  readonly accept: string
  /** JSON. */
  readonly body?: string
  /** Whether the answer's body is of interest. */
  readonly reads: boolean
}

/**
 * What came back. `text` is `undefined` where the body was not read, is too long, or was cut short.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly status: number
  readonly authenticate: string
  readonly location: string
  readonly text: string | undefined
}

/**
 * How long one answer is waited for.
 *
 * @since 0.1.0
 * @category defaults
 */
export const TIMEOUT = Duration.seconds(8)

/**
 * The longest body that is read, in bytes. A metadata document has a few hundred.
 *
 * @since 0.1.0
 * @category defaults
 */
export const BODY_LIMIT = WholeBody.DOCUMENT_LIMIT

const textOf = (
  { body, end }: Extract<RoundTrip.Progress, { readonly _tag: "Answered" }>
): string | undefined => end === "Whole" || end === "Open" ? new TextDecoder().decode(body) : undefined

const unavailable = (url: URL, reason: McpServerUnavailable["reason"], detail: string) =>
  new McpServerUnavailable({
    reason,
    server: nameOf(url),
    message: `${nameOf(url)} ${detail}`,
    advice: "check the address and the network, then try again; nothing was stored"
  })

/**
 * Asks once. Fails where there is no answer in time, and on 429 and 5xx; every other status is an answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const send = (roundTripper: RoundTrip.RoundTripper, question: Question): Effect.Effect<Answer, McpError> =>
  RoundTrip.within(
    roundTripper,
    {
      url: question.url.href,
      method: question.method,
      headers: {
        "accept": question.accept,
        "user-agent": "lockstep",
        ...question.body === undefined ? {} : { "content-type": "application/json" }
      },
      body: question.body
    },
    // A stream may have no end.
    { limit: TIMEOUT, body: BODY_LIMIT, headOnly: !question.reads }
  ).pipe(
    Effect.flatMap((progress): Effect.Effect<Answer, McpError> => {
      switch (progress._tag) {
        case "NeverSent":
        case "MaybeSent":
          return unavailable(question.url, "Transport", `cannot be reached (${progress.detail})`)
        case "Connecting":
        case "Sent":
          return unavailable(question.url, "Timeout", "did not answer in time")
        case "Answered":
          return Effect.succeed({
            status: progress.head.status,
            authenticate: progress.head.headers["www-authenticate"] ?? "",
            location: progress.head.headers["location"] ?? "",
            text: question.reads ? textOf(progress) : undefined
          })
      }
    }),
    Effect.filterOrFail(
      ({ status }) => status !== 429 && status < 500,
      ({ status }) =>
        status === 429
          ? unavailable(question.url, "RateLimited", "asks for fewer requests (HTTP 429)")
          : unavailable(question.url, "ServerError", `has an error of its own (HTTP ${status})`)
    ),
    Effect.withSpan("lockstep.mcp.request", {
      kind: "client",
      attributes: { "http.request.method": question.method, "server.address": question.url.host }
    })
  )
