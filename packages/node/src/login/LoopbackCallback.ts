/**
 * The end of a login in the browser: a port of this machine, open for one answer.
 *
 * Any program on this machine, and any page in the browser, can send requests to it. So a request counts only with the
 * right method, path and Host header (a foreign one is a DNS name that was rebound to loopback) and with a query that
 * the caller accepts; what does not count is answered with a page and changes nothing.
 *
 * The address that brings the answer holds the code. So a browser is not left there: its request is held until the login
 * is done, and then sent on to an address without any, which is served once. What it was sent on from takes no place in
 * its history. The second address cannot be guessed: no other program takes the page away.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import type * as BoundedServer from "../network/BoundedServer.js"
import * as LoopbackServers from "../network/LoopbackServers.js"
import * as CallbackPage from "./CallbackPage.js"

/**
 * Every port that was asked for is taken.
 *
 * @since 0.1.0
 * @category errors
 */
export class PortsTaken extends Data.TaggedError("PortsTaken")<{ readonly ports: ReadonlyArray<number> }> {}

/**
 * One answer, and the browser that waits for a page.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  /** What stands behind `?`. Holds the code. */
  readonly query: Redacted.Redacted
  /** Shows the page. The port is closed when this returns. */
  readonly respond: (page: CallbackPage.CallbackPage) => Effect.Effect<void>
}

/**
 * An open port.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  readonly port: number
  /** The first request that counts. */
  readonly answer: Effect.Effect<Answer>
}

/**
 * What {@link make} answers. The port closes with the scope.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoopbackCallback {
  readonly listen: (options: {
    /** Tried in this order; 0 is any free one. */
    readonly ports: readonly [number, ...Array<number>]
    readonly path: string
    /** Looks at a query before it counts as the answer. */
    readonly accepts: (query: URLSearchParams) => boolean
  }) => Effect.Effect<Listener, PortsTaken, Scope.Scope>
}

/** Milliseconds that a browser has to come to the page that it was sent on to. */
const FOLLOW_TIMEOUT = 5_000

/** Milliseconds that a page has to leave this machine's buffers. */
const FLUSH_TIMEOUT = 1_000

const failed = (title: string, detail: string): CallbackPage.CallbackPage => ({ outcome: "Failed", title, detail })

const FOREIGN_HOST = failed("This is not the address", "Lockstep answers here under the names of this computer only.")
const NO_VISIT = failed("This is not an answer", "An answer to a login is brought by a browser that is sent here.")
const NOTHING_HERE = failed("There is nothing here", "Lockstep waits for the answer to a login, at another address.")
const REFUSED = failed(
  "This answer does not belong here",
  "It is not for the login that waits on this computer, which goes on. Finish it in the window in which it began."
)
const ANSWERED = failed("This login has its answer", "You can close this page.")
const GIVEN_UP = failed(
  "This login has ended",
  "It was given up before its answer came. Start it again in the terminal."
)

const TOO_LARGE = failed(
  "Your browser brings too many cookies",
  "It sent more than 64 KiB of them to this computer's own address. Delete the cookies of localhost and 127.0.0.1, "
    + "then load this page again: the login still waits."
)

const OVERSIZE = (() => {
  const page = CallbackPage.render(TOO_LARGE)
  const headers = { ...CallbackPage.headers, "Content-Length": String(Buffer.byteLength(page)), Connection: "close" }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return ["HTTP/1.1 431 Request Header Fields Too Large", ...lines, "", page].join("\r\n")
})()

const isOwnHost = (host: string | undefined, port: number): boolean =>
  ["localhost", "127.0.0.1", "[::1]"].some((name) => {
    const own = host?.toLowerCase()
    return own === `${name}:${port}` || (port === 80 && own === name)
  })

/**
 * Whether a script or an element of a web page sends this. A person who is sent here comes by a navigation, which names no
 * origin. A browser tells both where a request comes from and of what mode it is; other programs that have a `fetch` tell
 * the mode alone.
 */
const isFromPage = ({ headers }: IncomingMessage): boolean =>
  headers.origin !== undefined ||
  (headers["sec-fetch-site"] !== undefined && headers["sec-fetch-mode"] !== "navigate")

/** On this machine's own clock, whatever clock the caller runs on: sockets know no other. */
const atMost = (millis: number, settled: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, millis)
    void settled.finally(() => {
      clearTimeout(timer)
      resolve()
    })
  })

const send = (
  response: ServerResponse,
  status: number,
  page: CallbackPage.CallbackPage,
  headers: Readonly<Record<string, string>> = {}
): Promise<void> => {
  const left = new Promise<void>((resolve) => {
    response.once("close", resolve)
    response.once("finish", () => response.socket === null ? resolve() : response.socket.once("close", resolve))
  })
  response.writeHead(status, { ...CallbackPage.headers, ...headers, Connection: "close" })
  response.end(CallbackPage.render(page))
  return atMost(FLUSH_TIMEOUT, left)
}

/** A browser has an address bar and comes when it is sent on. Other programs, curl among them, want their answer now. */
const isBrowser = ({ headers }: IncomingMessage): boolean => headers.accept?.includes("text/html") ?? false

interface Held {
  readonly query: string
  readonly waiting: Array<{ readonly request: IncomingMessage; readonly response: ServerResponse }>
}

interface Shown {
  readonly page: CallbackPage.CallbackPage
  readonly path: string
  readonly served: () => void
}

/** The listener decides; a query that it cannot read is not an answer. */
const isAccepted = (accepts: (query: URLSearchParams) => boolean, query: string): boolean => {
  try {
    return accepts(new URLSearchParams(query))
  } catch {
    return false
  }
}

/** What one port has been told and has to say. */
const makeDesk = (path: string, accepts: (query: URLSearchParams) => boolean, onAnswer: (query: string) => void) => {
  let held: Held | undefined
  let shown: Shown | undefined

  const answer = (
    query: string,
    request: IncomingMessage,
    response: ServerResponse,
    admit: () => void
  ): Promise<void> | undefined => {
    if (held === undefined) {
      if (!isAccepted(accepts, query)) return send(response, 400, REFUSED)
      held = { query, waiting: [] }
      onAnswer(query)
    }
    // The same once more is the same person, who grew impatient and loaded the page again.
    if (held.query !== query) return send(response, 409, ANSWERED)
    admit()
    held.waiting.push({ request, response })
    return undefined
  }

  const handle: BoundedServer.Handler = (request, response, admit) => {
    const port = request.socket.localPort ?? 0
    const [target = "", ...rest] = (request.url ?? "").split("?")
    if (!isOwnHost(request.headers.host, port)) return void send(response, 421, FOREIGN_HOST)
    if (isFromPage(request)) return void send(response, 403, NO_VISIT)
    if (request.method !== "GET") return void send(response, 405, NO_VISIT, { Allow: "GET" })
    if (shown !== undefined && target === shown.path) return void send(response, 200, shown.page).then(shown.served)
    if (target !== path) return void send(response, 404, NOTHING_HERE)
    void answer(rest.join("?"), request, response, admit)
  }

  const release = async (page: CallbackPage.CallbackPage): Promise<void> => {
    const waiting = held?.waiting.splice(0).filter(({ response }) => !response.destroyed) ?? []
    const next = `/done/${Crypto.randomBytes(16).toString("base64url")}`
    const arrived = new Promise<void>((resolve) => {
      shown = { page, path: next, served: resolve }
    })
    await Promise.all(
      waiting.map(({ request, response }) =>
        isBrowser(request) ? send(response, 303, page, { Location: next }) : send(response, 200, page)
      )
    )
    if (waiting.some(({ request }) => isBrowser(request))) await atMost(FOLLOW_TIMEOUT, arrived)
  }

  return { handle, release }
}

const listen: LoopbackCallback["listen"] = ({ accepts, path, ports }) =>
  Effect.gen(function*() {
    const answered = yield* Deferred.make<string>()
    const desk = makeDesk(path, accepts, (query) => Deferred.unsafeDone(answered, Effect.succeed(query)))
    const open = yield* LoopbackServers.open(
      ports,
      desk.handle,
      Effect.promise(() => desk.release(GIVEN_UP)),
      { ...LoopbackServers.BRIEF, oversize: OVERSIZE }
    )
    if (Option.isNone(open)) return yield* new PortsTaken({ ports })
    return {
      port: open.value.port,
      answer: Effect.map(Deferred.await(answered), (query): Answer => ({
        query: Redacted.make(query),
        respond: (page) =>
          Effect.promise(() => desk.release(page)).pipe(
            Effect.ensuring(LoopbackServers.closeAll(open.value)),
            Effect.withSpan("lockstep.callback.respond")
          )
      }))
    }
  })

/**
 * Makes a listener on loopback: on 127.0.0.1, and where there is one on ::1.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<LoopbackCallback> = Effect.succeed({ listen })
