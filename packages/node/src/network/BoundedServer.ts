/**
 * An HTTP server on this machine that stays within bounds, whatever is sent to it: connections, the time that a request may
 * take to come, header fields, and an answer to what is no request.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import { codeOf } from "../internal/errno.js"

/**
 * Answers a request. `admit` says that its sender is known here: its connection counts among the admitted from then on.
 *
 * @since 0.1.0
 * @category models
 */
export type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse, admit: () => void) => void

/**
 * The bounds of the servers of a port.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly http: Http.ServerOptions
  /** Of those that were admitted. */
  readonly maxConnections: number
  /** Of those that were not: when one more comes, the oldest is closed. */
  readonly maxStrangers: number
  /** 0 is any number. */
  readonly maxRequestsPerSocket: number
  /** Whether the handler is asked before a client that waits for 100 sends its body. */
  readonly answersExpectation: boolean
  /** The whole answer to a request with more header fields than are taken, in place of one without a body. */
  readonly oversize?: string
}

/** Header fields of a request. Node drops those that are more: what is looked at would not be what was sent. */
const MAX_FIELDS = 1_000

/**
 * Every program and every page on this machine can connect, and needs to say nothing for as long as it likes. What it
 * holds open so must not be the places of those that are known: strangers have a few of their own, and the one that has
 * had the longest time to say what it wants makes room for the next.
 */
const shedding = (server: Http.Server, limit: number): (socket: Duplex) => void => {
  const strangers = new Set<Duplex>()
  server.on("connection", (socket) => {
    strangers.add(socket)
    socket.once("close", () => strangers.delete(socket))
    if (strangers.size <= limit) return
    const [oldest] = strangers
    strangers.delete(oldest!)
    oldest!.destroy()
  })
  return (socket) => void strangers.delete(socket)
}

const answering = (handle: Handler, admit: (socket: Duplex) => void): Http.RequestListener => (request, response) => {
  if (request.rawHeaders.length > 2 * MAX_FIELDS) {
    response.writeHead(431, ["Content-Length", "0", "Connection", "close"]).end()
    return
  }
  // No request ends another: what goes wrong with one is its own.
  try {
    handle(request, response, () => admit(request.socket))
  } catch {
    response.destroy()
  }
}

/** Milliseconds that an answer has to be read, and the rest of its request to arrive. */
const LAST_WORDS = 2_000

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout"
}

/** Answers what is no request for the handler. What still comes is read: a reset would take the answer away. */
const refuse = (oversize: string) => (cause: Error, socket: Duplex): void => {
  const code = codeOf(cause)
  if (code === "ECONNRESET" || !socket.writable) return void socket.destroy()
  const status = REFUSALS[code] ?? "400 Bad Request"
  socket.end(code === "HPE_HEADER_OVERFLOW" ? oversize : `HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
  socket.on("data", () => undefined).resume()
  const timer = setTimeout(() => socket.destroy(), LAST_WORDS)
  socket.once("close", () => clearTimeout(timer))
}

/**
 * Makes a server that does not listen yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (handle: Handler, settings: Settings): Http.Server => {
  const server = Http.createServer(settings.http)
  server.maxConnections = settings.maxConnections + settings.maxStrangers
  server.maxRequestsPerSocket = settings.maxRequestsPerSocket
  server.maxHeadersCount = MAX_FIELDS + 1
  const answer = answering(handle, shedding(server, settings.maxStrangers))
  server.on("request", answer)
  if (settings.answersExpectation) server.on("checkContinue", answer)
  if (settings.oversize !== undefined) server.on("clientError", refuse(settings.oversize))
  // For good: a connection that cannot be accepted is an error, too, and no reason to end the process.
  server.on("error", () => {})
  return server
}

/**
 * What a server listens on: an address, a path, or a descriptor that listens already.
 *
 * @since 0.1.0
 * @category models
 */
export type Place = Net.ListenOptions | { readonly fd: number }

/**
 * Begins to listen at once, within the call: a socket is made here and now. Fails with an errno.
 *
 * @since 0.1.0
 * @category combinators
 */
export const listenNow = (server: Http.Server, place: Place): Effect.Effect<void, string> => {
  const listening = new Promise<string | undefined>((resolve) => {
    const onError = (cause: Error) => resolve(codeOf(cause))
    server.once("error", onError)
    try {
      server.listen(place, () => {
        server.off("error", onError)
        resolve(undefined)
      })
    } catch (cause) {
      resolve(codeOf(cause))
    }
  })
  return Effect.flatMap(
    Effect.promise(() => listening),
    (code) => code === undefined ? Effect.void : Effect.fail(code)
  )
}

/**
 * Begins to listen. Fails with an errno.
 *
 * @since 0.1.0
 * @category combinators
 */
export const listen = (server: Http.Server, place: Place): Effect.Effect<void, string> =>
  Effect.suspend(() => listenNow(server, place))

/**
 * Closes a server at once, with every connection.
 *
 * @since 0.1.0
 * @category combinators
 */
export const close = (server: Http.Server): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })
