/**
 * Round trips by a function like `fetch`, for runtimes that have nothing else.
 *
 * It is less than a connection of one's own: when a request fails, only the words of the error tell whether it left
 * ({@link TransportFailure}), and how far it came is not seen before it is answered.
 *
 * @since 0.1.0
 */
import type { FetchFunction, FetchInit, FetchResponse } from "@lockstep/core/FetchFunction"
import type * as RoundTrip from "@lockstep/core/RoundTrip"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RoundTripper } from "./RoundTripper.js"
import * as TransportFailure from "./TransportFailure.js"

/** Every runtime reads its sockets between two timers. */
const turn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 0))

const initOf = (request: RoundTrip.Request, signal: AbortSignal): FetchInit => {
  const { body, headers, method } = request
  const init = { method, redirect: "manual", duplex: "half", signal } as const
  if (body === undefined) return { ...init, headers: { ...headers } }
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

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.byteLength
  }
  return all
}

const readBody = async (
  body: FetchResponse["body"],
  limit: number,
  chunks: Array<Uint8Array>
): Promise<RoundTrip.End> => {
  if (body === null) return "Whole"
  const reader = body.getReader()
  let size = 0
  try {
    while (true) {
      const { done, value } = await reader.read()
      if (done || value === undefined) return "Whole"
      size += value.byteLength
      if (size > limit) return "TooLarge"
      chunks.push(value)
    }
  } catch {
    return "Cut"
  }
}

/** The header fields that are asked for anywhere: those of a `fetch` cannot be listed by every double of it. */
const FIELDS = ["content-type", "date", "location", "retry-after", "retry-after-ms", "www-authenticate"]

const headOf = ({ headers, status }: FetchResponse): RoundTrip.Head => ({
  status,
  headers: Object.fromEntries(FIELDS.map((name) => [name, headers.get(name) ?? undefined]))
})

/**
 * Makes round trips with a function like `fetch`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const roundTripper = (fetch: FetchFunction): RoundTrip.RoundTripper => (request, bounds) => {
  const controller = new AbortController()
  const chunks: Array<Uint8Array> = []
  let progress = (): RoundTrip.Progress => ({ _tag: "Sent" })
  const answered = (head: RoundTrip.Head, end: RoundTrip.End | "Open") => {
    progress = () => ({ _tag: "Answered", head, body: concat(chunks), end })
  }
  const answering = Promise.resolve().then(() => fetch(request.url, initOf(request, controller.signal))).then(
    (response) => {
      const head = headOf(response)
      answered(head, "Open")
      return { response, head }
    },
    (error: unknown) => {
      const failure = TransportFailure.fromUnknown(error)
      progress = () => failure
      return undefined
    }
  )
  const ended = answering.then(async (answer) => {
    if (answer !== undefined) answered(answer.head, await readBody(answer.response.body, bounds.body, chunks))
  })
  return {
    progress: () => progress(),
    answering: answering.then(() => undefined),
    ended,
    look: () => Promise.race([ended, turn().then(turn)]),
    abort: () => controller.abort()
  }
}

/**
 * Sends through a given function.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (fetch: FetchFunction): Layer.Layer<RoundTripper> =>
  Layer.succeed(RoundTripper, { load: Effect.succeed(roundTripper(fetch)) })

/**
 * Sends through the global `fetch`, which ignores proxy variables, and asks the server to close each connection.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerGlobal: Layer.Layer<RoundTripper> = layer((url, init) =>
  globalThis.fetch(url, { ...init, headers: { ...init.headers, connection: "close" } })
)
