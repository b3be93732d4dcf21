/**
 * An HTTP proxy on a loopback socket. It opens tunnels, all of them to one place, so that names that do not exist lead
 * somewhere.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"

/**
 * A running proxy.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoopbackProxy {
  readonly url: string
  /** The `host:port` of every tunnel that was asked for. */
  readonly tunnels: ReadonlyArray<string>
}

/**
 * Starts a proxy whose tunnels all lead to a port of 127.0.0.1; with `refuse` it answers every request with that status.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly port: number
  readonly refuse?: number
}): Effect.Effect<LoopbackProxy, never, Scope.Scope> =>
  Effect.gen(function*() {
    const tunnels: Array<string> = []
    const sockets = new Set<Net.Socket>()
    const track = (socket: Net.Socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy())
    }
    const server = Http.createServer((_, outgoing) => outgoing.writeHead(501).end())
    server.on("connect", (request: Http.IncomingMessage, client: Net.Socket, head: Buffer) => {
      tunnels.push(request.url ?? "")
      track(client)
      if (options.refuse !== undefined) {
        client.end(`HTTP/1.1 ${options.refuse} Refused\r\n\r\n`)
        return
      }
      const upstream = Net.connect(options.port, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n")
        upstream.write(head)
        upstream.pipe(client)
        client.pipe(upstream)
      })
      track(upstream)
      // Pipes pass an end on, and no reset: the other side would wait for an answer for ever.
      client.on("close", () => upstream.destroySoon())
      upstream.on("close", () => client.destroySoon())
    })
    const listening = yield* Deferred.make<number>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        server.listen(0, "127.0.0.1", () => {
          Deferred.unsafeDone(listening, Effect.succeed((server.address() as Net.AddressInfo).port))
        })
      ),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
          for (const socket of sockets) socket.destroy()
        })
    )
    return { url: `http://127.0.0.1:${yield* Deferred.await(listening)}`, tunnels }
  })
