/**
 * The body of a request, streamed on as it comes and kept as far as it can be sent again.
 *
 * The upstream may answer before it has read everything, and its connection then ends: that must not end the client's
 * connection, on which the answer is still to be written. So what the upstream reads is a stream of its own.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"

/**
 * The body of a request.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyUpload {
  /** Streams the body, once. Reads from the client no faster than it is read. */
  readonly stream: () => Readable
  /** Reads the body to its end, and answers with all of it; with `undefined` where it is longer than what is kept. */
  readonly whole: () => Promise<Buffer | undefined>
  /** Forgets what was kept: it is not sent again. */
  readonly forget: () => void
  /** Reads the rest and forgets it, so that the client comes to reading its answer. */
  readonly discard: () => void
}

/**
 * Whether a request has a body at all (RFC 9112 §6.3).
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

/**
 * Takes over the body of a request.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (request: IncomingMessage, options: {
  /** Bytes that are kept. */
  readonly keep: number
  readonly onBytes: (count: number) => void
}): ProxyUpload => {
  let kept: Array<Buffer> | undefined = []
  let size = 0
  let ended = false
  let reader: Readable | undefined
  let wake: () => void = () => {}

  const forget = () => {
    kept = undefined
    wake()
  }

  request.pause()
  request.on("data", (chunk: Buffer) => {
    options.onBytes(chunk.length)
    size += chunk.length
    if (size > options.keep) forget()
    else kept?.push(chunk)
    if (reader !== undefined && !reader.push(chunk)) request.pause()
  })
  request.on("end", () => {
    ended = true
    reader?.push(null)
    wake()
  })
  // Told to whoever waits for the end of the exchange.
  request.on("error", () => {})

  return {
    stream: () => {
      reader = new Readable({
        read: () => {
          request.resume()
        },
        destroy: (error, done) => {
          reader = undefined
          done(error)
        }
      })
      return reader
    },
    whole: async () => {
      reader = undefined
      if (!ended && kept !== undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
          request.resume()
        })
      }
      return kept === undefined ? undefined : Buffer.concat(kept)
    },
    forget,
    discard: () => {
      reader = undefined
      forget()
      request.resume()
    }
  }
}
