/**
 * One bounded request that carries no credential. Redirects are told and not followed.
 *
 * @since 0.1.0
 */
import type { FetchFunction, FetchInit, FetchResponse } from "@lockstep/core/FetchFunction"
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

const readText = async (body: FetchResponse["body"]): Promise<string | undefined> => {
  const { end, text } = await WholeBody.read(body)
  return end === "Whole" ? text : undefined
}

const initOf = ({ accept, body, method }: Question, signal: AbortSignal): FetchInit => {
  const init = { method, redirect: "manual", duplex: "half", signal } as const
  const headers = { accept, "user-agent": "lockstep" }
  if (body === undefined) return { ...init, headers }
  const bytes = new TextEncoder().encode(body)
  return {
    ...init,
    headers: { ...headers, "content-type": "application/json", "content-length": String(bytes.byteLength) },
    body: new ReadableStream({
      start: (controller) => {
        controller.enqueue(bytes)
        controller.close()
      }
    })
  }
}

/** The code of a transport failure and nothing of its words, which may quote what was sent. */
const codeOf = (cause: unknown): string => {
  for (let error = cause, depth = 0; typeof error === "object" && error !== null && depth < 4; depth++) {
    const code: unknown = Reflect.get(error, "code")
    if (typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code)) return code
    error = Reflect.get(error, "cause")
  }
  return "no connection"
}

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
export const send = (fetch: FetchFunction, question: Question): Effect.Effect<Answer, McpError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new AbortController()),
    (controller) =>
      Effect.tryPromise({
        try: async () => {
          const response = await fetch(question.url.href, initOf(question, controller.signal))
          const { headers, status } = response
          return {
            status,
            authenticate: headers.get("www-authenticate") ?? "",
            location: headers.get("location") ?? "",
            text: question.reads ? await readText(response.body) : undefined
          }
        },
        catch: (cause) => unavailable(question.url, "Transport", `cannot be reached (${codeOf(cause)})`)
      }),
    // Ends the connection of an answer that was not read to its end: a stream may have none.
    (controller) => Effect.sync(() => controller.abort())
  ).pipe(
    Effect.timeoutFail({
      duration: TIMEOUT,
      onTimeout: () => unavailable(question.url, "Timeout", "did not answer in time")
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
