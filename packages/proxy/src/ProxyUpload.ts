/**
 * The body of a request, passed on as it comes and kept as far as it can be sent again.
 *
 * The upstream may answer before it has read everything, and its connection then ends: that must not end the client's
 * connection, on which the answer is still to be written. So the body is read here, also when
 * the upstream no longer takes it.
 *
 * @since 0.1.0
 */
import type { IncomingMessage } from "node:http"

/**
 * Takes a body.
 *
 * @since 0.1.0
 * @category models
 */
export interface Taker {
  /** Says whether more may come at once; else it comes after `resume`. */
  readonly write: (chunk: Buffer) => boolean
  readonly end: () => void
}

/**
 * The body of a request.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyUpload {
  /** Passes the body on, once, and reads from the client no faster than it is taken. */
  readonly passTo: (taker: Taker) => void
  readonly resume: () => void
  /** Whether all of it has been read. */
  readonly isEnded: () => boolean
  /** Reads the body to its end and answers with all of it; with `undefined` where it is longer than what is kept. */
  readonly whole: (done: (body: Buffer | undefined) => void) => void
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
  let taker: Taker | undefined
  let wake: () => void = () => {}

  const forget = () => {
    kept = undefined
    wake()
  }

  request.on("data", (chunk: Buffer) => {
    options.onBytes(chunk.length)
    size += chunk.length
    if (size > options.keep) forget()
    else kept?.push(chunk)
    if (taker?.write(chunk) === false) request.pause()
  })
  request.on("end", () => {
    ended = true
    taker?.end()
    wake()
  })
  // Told by the end of the exchange.
  request.on("error", () => {})
  request.pause()

  return {
    passTo: (one) => {
      taker = one
      request.resume()
    },
    resume: () => {
      if (taker !== undefined) request.resume()
    },
    isEnded: () => ended,
    whole: (done) => {
      taker = undefined
      wake = () => {
        wake = () => {}
        done(kept === undefined ? undefined : Buffer.concat(kept))
      }
      if (ended || kept === undefined) wake()
      else request.resume()
    },
    forget,
    discard: () => {
      taker = undefined
      forget()
      request.resume()
    }
  }
}
