/**
 * Connections to the one place that a proxy leads to, kept for further requests: Node's own client, without its streams
 * in between and without its assertions.
 *
 * The upstream is not trusted with anything but the request. What it answers is read by the strict parser; what that lets
 * through and no proxy can pass on (a status that does not exist, more header fields than are kept) is an error of this
 * exchange, and so is whatever is thrown while its answer is passed on.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Duplex } from "node:stream"
import type { RawHeaders } from "./ProxyHeaders.js"
import * as ProxyTunnel from "./ProxyTunnel.js"

/**
 * A request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outgoing {
  readonly method: string
  readonly path: string
  /** All of them: nothing is added. */
  readonly headers: ReadonlyArray<string>
  /** The whole body, or one that is written piece by piece; `undefined` is no body at all. */
  readonly body: Buffer | "streamed" | undefined
}

/**
 * What is told of an answer. The last word is `onEnd` or `onError`, and said once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reader {
  readonly onInformation: (status: number, headers: RawHeaders) => void
  readonly onHead: (status: number, headers: RawHeaders) => void
  /** Says whether more may come at once; else it comes when `resume` is called. */
  readonly onData: (chunk: Buffer) => boolean
  readonly onEnd: (trailers: RawHeaders) => void
  readonly onError: (cause: unknown) => void
  /** More of a streamed body is taken. */
  readonly onDrain: () => void
}

/**
 * A request that is under way.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sent {
  /** Writes a piece of a streamed body, and says whether more may follow at once. */
  readonly write: (chunk: Buffer) => boolean
  readonly end: () => void
  readonly resume: () => void
  /** Ends it; nothing more is told. */
  readonly abort: () => void
}

/**
 * The place that a proxy leads to.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProxyUpstream {
  /** What it is called in `Host`. */
  readonly host: string
  /** Throws where the request cannot be written. */
  readonly send: (request: Outgoing, reader: Reader) => Sent
}

/**
 * What is waited for, and how much is read. Milliseconds and bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  readonly connectTimeout: number
  readonly responseTimeout: number
  readonly header: number
}

/**
 * Something that the upstream did and no answer is.
 *
 * @since 0.1.0
 * @category errors
 */
export class UpstreamFault extends Error {
  readonly code: "CONNECT_TIMEOUT" | "HEADERS_TIMEOUT" | "HPE_HEADER_OVERFLOW" | "INVALID_STATUS" | "INCOMPLETE"
  constructor(code: UpstreamFault["code"]) {
    super(code)
    this.code = code
  }
}

/** Shorter than servers keep theirs: a connection that they just close looks like a lost answer. Milliseconds. */
const KEEP_ALIVE = 4_000

/** Header fields of an answer. Node drops those that are more, and the one that it drops may frame the answer. */
const MAX_FIELDS = 1_000

/** Ends a connection that takes too long to be made. */
const bounded = <S extends Duplex>(socket: S, ready: string, timeout: number): S => {
  const timer = setTimeout(() => socket.destroy(new UpstreamFault("CONNECT_TIMEOUT")), timeout)
  const done = () => clearTimeout(timer)
  socket.once(ready, done)
  socket.once("close", done)
  return socket
}

const agentFor = (target: URL, route: ProxyTunnel.Route, connectTimeout: number): Http.Agent => {
  const options = { keepAlive: true, timeout: KEEP_ALIVE }
  if (target.protocol === "http:") {
    const agent = new Http.Agent(options)
    const connect = agent.createConnection.bind(agent)
    agent.createConnection = (settings, done) => bounded(connect(settings, done)!, "connect", connectTimeout)
    return agent
  }
  const agent = new Https.Agent(options)
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = route._tag === "Direct"
    ? (settings, done) => bounded(connect(settings, done)!, "secureConnect", connectTimeout)
    : (settings, done) => {
      ProxyTunnel.open(route, target, connectTimeout, (error, socket) => {
        if (socket === undefined) return done?.(error as Error, undefined as never)
        const secure = connect({ ...settings, socket } as Http.ClientRequestArgs)!
        done?.(null, bounded(secure, "secureConnect", connectTimeout))
      })
      return undefined
    }
  return agent
}

/**
 * Makes an upstream. Its connections end with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  origin: string,
  limits: Limits
): Effect.Effect<ProxyUpstream, ProxyTunnel.ProxyAddressInvalid, Scope.Scope> =>
  Effect.gen(function*() {
    const target = new URL(origin)
    const route = yield* ProxyTunnel.routeTo(target, process.env)
    const agent = yield* Effect.acquireRelease(
      Effect.sync(() => agentFor(target, route, limits.connectTimeout)),
      (made) => Effect.sync(() => made.destroy())
    )
    const { request } = target.protocol === "http:" ? Http : Https
    const host = target.hostname.replace(/^\[(.*)\]$/, "$1")
    const port = target.port === "" ? undefined : Number(target.port)

    const send = (asked: Outgoing, reader: Reader): Sent => {
      const { body } = asked
      const sent = request({
        agent,
        host,
        port,
        maxHeaderSize: limits.header,
        method: asked.method,
        path: asked.path,
        headers: asked.headers as never
      })
      sent.maxHeadersCount = MAX_FIELDS + 1
      let answer: Http.IncomingMessage | undefined
      let isOver = false
      let isBodyBegun = false

      /** The last word. */
      const settle = (tell: () => void): void => {
        if (isOver) return
        isOver = true
        clearTimeout(timer)
        // A request that was answered before it was written is not sent to its end.
        if (!sent.writableEnded || answer?.complete !== true) sent.destroy()
        try {
          tell()
        } catch (cause) {
          reader.onError(cause)
        }
      }
      const fail = (cause: unknown): void => settle(() => reader.onError(cause))
      /** What is thrown on the way to the client ends this exchange, and not the process with all others. */
      const guarded = (tell: () => void): void => {
        if (isOver) return
        try {
          tell()
        } catch (cause) {
          fail(cause)
        }
      }
      const timer = setTimeout(() => fail(new UpstreamFault("HEADERS_TIMEOUT")), limits.responseTimeout)

      sent.on("error", fail)
      sent.on("close", () => isOver || fail(new UpstreamFault("INCOMPLETE")))
      sent.on(
        "information",
        ({ rawHeaders, statusCode }) => guarded(() => reader.onInformation(statusCode, rawHeaders))
      )
      sent.on("response", (response) => {
        answer = response
        const { rawHeaders, statusCode = 0 } = response
        // Whatever comes after the head is told to `close`.
        response.on("error", fail)
        if (statusCode < 200) return fail(new UpstreamFault("INVALID_STATUS"))
        if (rawHeaders.length > 2 * MAX_FIELDS) return fail(new UpstreamFault("HPE_HEADER_OVERFLOW"))
        clearTimeout(timer)
        response.on("data", (chunk: Buffer) =>
          guarded(() => {
            if (!reader.onData(chunk)) response.pause()
          }))
        response.on("end", () => {
          if (response.complete) settle(() => reader.onEnd(response.rawTrailers))
          else fail(new UpstreamFault("INCOMPLETE"))
        })
        guarded(() => reader.onHead(statusCode, rawHeaders))
      })
      if (body === "streamed") {
        sent.on("drain", () => guarded(reader.onDrain))
        // An upstream may answer before the client says anything; what is said at once goes in the same packet.
        setImmediate(() => isOver || isBodyBegun || sent.flushHeaders())
      } else sent.end(body)

      return {
        write: (chunk) => {
          isBodyBegun = true
          return isOver || sent.write(chunk)
        },
        end: () => {
          isBodyBegun = true
          if (!isOver) sent.end()
        },
        resume: () => answer?.resume(),
        abort: () => settle(() => {})
      }
    }
    return { host: target.host, send }
  })
