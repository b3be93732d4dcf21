/**
 * A TCP server on a loopback socket that speaks whatever a test has it speak, for the answers that no HTTP server gives:
 * resets, alerts, halves of a handshake, endless bodies.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"

/**
 * A running server. Its lists grow while it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawServer {
  readonly port: number
  /** What each connection was sent by its client, TLS undone, in the order of the connections. */
  readonly received: ReadonlyArray<string>
  /** One element for each connection that was accepted, TLS done. */
  readonly accepted: Queue.Dequeue<Net.Socket>
  /** One element for each connection whose client is gone. */
  readonly closed: Queue.Dequeue<void>
}

/**
 * Handles one connection. `onText` is told all that came so far, whenever more came.
 *
 * @since 0.1.0
 * @category models
 */
export type Handle = (socket: Net.Socket, onText: (listener: (text: string) => void) => void) => void

/**
 * Starts a server on a port of 127.0.0.1, on a free one where none is named; it ends with the scope, and with it every
 * connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  handle: Handle,
  options: { readonly port?: number; readonly tls?: { readonly key: string; readonly cert: string } } = {}
): Effect.Effect<RawServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const received: Array<string> = []
    const accepted = yield* Queue.unbounded<Net.Socket>()
    const closed = yield* Queue.unbounded<void>()
    const sockets = new Set<Net.Socket>()
    const serve = (socket: Net.Socket): void => {
      const at = received.push("") - 1
      const listeners: Array<(text: string) => void> = []
      sockets.add(socket)
      socket.on("error", () => socket.destroy()).on("close", () => {
        sockets.delete(socket)
        closed.unsafeOffer(undefined)
      })
      socket.on("data", (chunk: Buffer) => {
        received[at] += chunk.toString("latin1")
        for (const listener of listeners) listener(received[at]!)
      })
      accepted.unsafeOffer(socket)
      handle(socket, (listener) => void listeners.push(listener))
    }
    const server = options.tls === undefined ? Net.createServer(serve) : Tls.createServer(options.tls, serve)
    // What fails in a handshake is the client's to tell.
    server.on("tlsClientError", () => undefined)
    const listening = yield* Deferred.make<number>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        server.listen(options.port ?? 0, "127.0.0.1", () => {
          Deferred.unsafeDone(listening, Effect.succeed((server.address() as Net.AddressInfo).port))
        })
      ),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    return { port: yield* Deferred.await(listening), received, accepted, closed }
  })

/**
 * Answers a request, once its header and as much of its body as it announces have come, with text as it stands.
 *
 * @since 0.1.0
 * @category handles
 */
export const answering = (answer: (socket: Net.Socket, request: string) => void): Handle => (socket, onText) => {
  let isAnswered = false
  onText((text) => {
    const end = text.indexOf("\r\n\r\n")
    const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0)
    if (isAnswered || end < 0 || text.length < end + 4 + length) return
    isAnswered = true
    answer(socket, text)
  })
}
