/**
 * Requests that carry a token that is good once: each on a fresh connection of `node:http`, written only when that stands,
 * with whatever comes back captured as it arrives.
 *
 * No agent, no pool, no `fetch`: nothing that keeps a connection which the server has just closed, sends again by itself,
 * follows a redirect, or bypasses a proxy; and nothing that costs a command more to load than to use.
 *
 * @since 0.1.0
 */
import * as ErrorCode from "@lockstep/core/ErrorCode"
import type * as RoundTrip from "@lockstep/core/RoundTrip"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as ConnectFailure from "./network/ConnectFailure.js"
import * as Connection from "./network/Connection.js"
import * as ContentCoding from "./network/ContentCoding.js"
import * as ProxyEnvironment from "./network/ProxyEnvironment.js"
import * as TrustedAuthorities from "./network/TrustedAuthorities.js"

/**
 * The network cannot be used as things are set up.
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkMisconfigured extends Data.TaggedError("NetworkMisconfigured")<{ readonly detail: string }> {}

/**
 * What {@link make} answers. `load` fails on a proxy address that is not a valid one.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeRoundTripper {
  readonly load: Effect.Effect<RoundTrip.RoundTripper, NetworkMisconfigured>
}

/** 64 KiB of header fields, beside the status line and those of an interim answer. */
const HEADER_LIMIT = 66 * 1024

/** Milliseconds that what has arrived is given to be read. */
const GRACE = 100

/** Node polls its sockets between two of these. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

const headOf = ({ headers, statusCode = 0 }: Http.IncomingMessage): RoundTrip.Head => ({
  status: statusCode,
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])
  )
})

interface Signal {
  readonly promise: Promise<void>
  readonly resolve: () => void
}

const signal = (): Signal => {
  let resolve = (): void => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

const messageOf = (request: RoundTrip.Request, url: URL, body: Buffer | undefined): Http.RequestOptions => ({
  method: request.method,
  path: `${url.pathname}${url.search}`,
  headers: {
    "accept-encoding": "identity",
    ...request.headers,
    host: url.host,
    connection: "close",
    ...body === undefined ? {} : { "content-length": String(body.byteLength) }
  },
  maxHeaderSize: HEADER_LIMIT,
  // An answer that a strict parser dislikes may hold the only copy of a token; and nothing follows it here that it could
  // be confused with.
  insecureHTTPParser: true
})

const roundTripper =
  (modules: Connection.Modules, proxyFor: ProxyEnvironment.ProxyRules): RoundTrip.RoundTripper => (request, bounds) => {
    const url = new URL(request.url)
    const answering = signal()
    const ended = signal()
    let progress = (): RoundTrip.Progress => ({ _tag: "Connecting" })
    let isOver = false

    const end = (last: RoundTrip.Progress): void => {
      if (isOver) return
      isOver = true
      progress = () => last
      clearTimeout(patience)
      answering.resolve()
      ended.resolve()
    }
    const lost = (code: unknown): RoundTrip.Progress => ({
      _tag: "MaybeSent",
      detail: `the connection ended without a whole answer${ErrorCode.inBrackets(ErrorCode.make(code))}`
    })
    const neverSent = (error: unknown): void =>
      end({
        _tag: "NeverSent",
        ...error instanceof ConnectFailure.ConnectFailure
          ? { detail: error.detail, remedy: error.remedy }
          : { detail: "the request cannot be written" }
      })

    const read = (response: Http.IncomingMessage): void => {
      const head = headOf(response)
      const chunks: Array<Buffer> = []
      const coding = ContentCoding.load(head.headers["content-encoding"])
      let decode = ContentCoding.identity
      let size = 0
      const so = (state: RoundTrip.End | "Open"): RoundTrip.Progress => ({
        _tag: "Answered",
        head,
        body: decode(Buffer.concat(chunks), bounds.body),
        end: state
      })
      const finish = (state: RoundTrip.End) => void coding.then(() => end(so(state)))
      void coding.then((found) => {
        decode = found
      })
      progress = () => so(head.headers["content-length"] === undefined ? "Open" : "Cut")
      answering.resolve()
      response.on("data", (chunk: Buffer) => {
        size += chunk.byteLength
        if (size <= bounds.body) return void chunks.push(chunk)
        finish("TooLarge")
        response.destroy()
      })
      response.on("end", () => finish(response.complete ? "Whole" : "Cut"))
      response.on("error", () => finish("Cut"))
      response.on("close", () => finish(response.complete ? "Whole" : "Cut"))
    }

    const send = (socket: Duplex): void => {
      const body = request.body === undefined ? undefined : Buffer.from(request.body)
      const message = modules.http.request({
        ...messageOf(request, url, body),
        createConnection: () => socket as Net.Socket
      })
      message.maxHeadersCount = 0
      message.on("response", read)
      let isAnswered = false
      message.once("response", () => {
        isAnswered = true
      })
      const failed = (code?: unknown) => isAnswered ? undefined : end(lost(code))
      message.on("error", (error: NodeJS.ErrnoException) => failed(error.code))
      // A change of protocol that was not asked for ends the exchange, and tells nothing about the token.
      message.on("upgrade", (_, stream: Duplex) => {
        stream.destroy()
        failed()
      })
      message.on("close", () => failed())
      // From here on the request may have been read.
      progress = () => ({ _tag: "Sent" })
      clearTimeout(patience)
      message.end(body)
    }

    const began = performance.now()
    const opening = Connection.open(modules, url, proxyFor(url))
    const giveUp = () => {
      if (!isOver) neverSent(ConnectFailure.late(opening.missing()))
      opening.abort()
    }
    const patience = setTimeout(giveUp, bounds.connect)
    opening.socket.then(
      (socket) => {
        if (isOver) return
        // A process that was stopped meanwhile may find the connection before its timer.
        if (performance.now() - began > bounds.connect) return giveUp()
        send(socket)
      }
    ).catch((error: unknown) => progress()._tag === "Connecting" ? neverSent(error) : end(lost(undefined)))

    return {
      progress: () => progress(),
      answering: answering.promise,
      ended: ended.promise,
      look: async () => {
        await turn()
        await Promise.race([ended.promise, new Promise<void>((resolve) => void setTimeout(resolve, GRACE))])
        await turn()
      },
      abort: () => {
        const last = progress()
        opening.abort()
        end(last)
      }
    }
  }

const loadModules = (env: NodeJS.ProcessEnv) =>
  Effect.map(
    Effect.promise(() => Promise.all([import("node:http"), import("node:net")])),
    ([http, net]): Connection.Modules => {
      let tls: ReturnType<Connection.Modules["tls"]> | undefined
      return {
        http,
        net,
        tls: () =>
          tls ??= import("node:tls").then((loaded) => {
            const ca = TrustedAuthorities.read(env, loaded)
            return { connect: loaded.connect, context: loaded.createSecureContext(ca === undefined ? {} : { ca }) }
          })
      }
    }
  )

/**
 * Makes a round tripper that honours `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` and `SSL_CERT_FILE` as they are when it is
 * loaded (`NODE_EXTRA_CA_CERTS` is Node's own doing).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<NodeRoundTripper> = Effect.succeed({
  load: Effect.suspend(() =>
    Either.match(ProxyEnvironment.read(process.env), {
      onLeft: ({ detail }) => new NetworkMisconfigured({ detail }),
      onRight: (rules) => Effect.map(loadModules(process.env), (modules) => roundTripper(modules, rules))
    })
  )
})
