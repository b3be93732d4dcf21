/**
 * One port of this machine, on both of its loopback addresses and on no other.
 *
 * A process that has the other address of the same port would get what the browser sends to `localhost`, which names
 * both. So a port counts as taken when either is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
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
  /** On each address, of those that were admitted. */
  readonly maxConnections: number
  /** On each address, of those that were not: when one more comes, the oldest is closed. */
  readonly maxStrangers: number
  /** 0 is any number. */
  readonly maxRequestsPerSocket: number
  /** Whether the handler is asked before a client that waits for 100 sends its body. */
  readonly answersExpectation: boolean
  /** The whole answer to a request with more header fields than are taken, in place of one without a body. */
  readonly oversize?: string
}

/** Milliseconds within which a request must have arrived: who connects and says nothing takes no place for long. */
const HEADERS_TIMEOUT = 5_000

/**
 * One short request per connection: a login callback.
 *
 * @since 0.1.0
 * @category constants
 */
export const BRIEF: Settings = {
  http: {
    // Bytes of request line and headers. Cookies of a host go to each of its ports, so that a browser brings those of every
    // program that ever listened on this machine: 64 KiB of them, and the code.
    maxHeaderSize: 81_920,
    headersTimeout: HEADERS_TIMEOUT,
    requestTimeout: HEADERS_TIMEOUT,
    connectionsCheckingInterval: 1_000
  },
  maxConnections: 32,
  maxStrangers: 32,
  maxRequestsPerSocket: 1,
  answersExpectation: false
}

/** Header fields of a request. Node drops those that are more: what is looked at would not be what was sent. */
const MAX_FIELDS = 1_000

/** Tries: one address of a free port may be taken by chance. */
const ATTEMPTS = 10

const ABSENT = ["EADDRNOTAVAIL", "EAFNOSUPPORT", "EPROTONOSUPPORT"]

/**
 * A port that is open, with its server on each loopback address.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenPort {
  readonly port: number
  readonly servers: ReadonlyArray<Http.Server>
}

/** Closes at once, with every connection. */
const close = (server: Http.Server): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/**
 * Closes a port at once, with every connection.
 *
 * @since 0.1.0
 * @category combinators
 */
export const closeAll = ({ servers }: OpenPort): Effect.Effect<void> =>
  Effect.forEach(servers, close, { discard: true, concurrency: "unbounded" })

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

/** Fails with an errno. */
const bind = (
  host: "127.0.0.1" | "::1",
  port: number,
  handle: Handler,
  settings: Settings
): Effect.Effect<Http.Server, string> =>
  Effect.async((resume) => {
    const server = Http.createServer(settings.http)
    server.maxConnections = settings.maxConnections + settings.maxStrangers
    server.maxRequestsPerSocket = settings.maxRequestsPerSocket
    server.maxHeadersCount = MAX_FIELDS + 1
    const answer = answering(handle, shedding(server, settings.maxStrangers))
    server.on("request", answer)
    if (settings.answersExpectation) server.on("checkContinue", answer)
    // For good: a connection that cannot be accepted is an error, too, and no reason to end the process.
    if (settings.oversize !== undefined) server.on("clientError", refuse(settings.oversize))
    server.on("error", (cause) => resume(Effect.fail(codeOf(cause))))
    try {
      server.listen({ host, port, exclusive: true, ipv6Only: host === "::1" }, () => resume(Effect.succeed(server)))
    } catch (cause) {
      resume(Effect.fail(codeOf(cause)))
    }
  })

/** `None` where the port is taken on either address. */
const openBoth = (
  port: number,
  handle: Handler,
  settings: Settings
): Effect.Effect<Option.Option<OpenPort>> =>
  Effect.matchEffect(bind("127.0.0.1", port, handle, settings), {
    onFailure: () => Effect.succeedNone,
    onSuccess: (first) => {
      const bound = (first.address() as AddressInfo).port
      return Effect.matchEffect(bind("::1", bound, handle, settings), {
        onSuccess: (second) => Effect.succeedSome({ port: bound, servers: [first, second] }),
        onFailure: (code) =>
          ABSENT.includes(code)
            ? Effect.succeedSome({ port: bound, servers: [first] })
            : Effect.as(close(first), Option.none())
      })
    }
  })

const firstFree = (ports: ReadonlyArray<number>, handle: Handler, settings: Settings) =>
  Effect.gen(function*() {
    for (const port of ports.flatMap((one) => one === 0 ? Array.from({ length: ATTEMPTS }, () => 0) : [one])) {
      const open = yield* openBoth(port, handle, settings)
      if (Option.isSome(open)) return open
    }
    return Option.none<OpenPort>()
  })

/**
 * Opens the first port that is free until the scope ends; 0 is any. `None` where all are taken.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (
  ports: ReadonlyArray<number>,
  handle: Handler,
  beforeClose: Effect.Effect<void>,
  settings: Settings = BRIEF
): Effect.Effect<Option.Option<OpenPort>, never, Scope.Scope> =>
  Effect.acquireRelease(
    firstFree(ports, handle, settings),
    Option.match({ onNone: () => Effect.void, onSome: (port) => Effect.zipRight(beforeClose, closeAll(port)) })
  )
