/**
 * Answers as a pooler of PostgreSQL does: with a process of its own making, and hands everything else through.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as Net from "node:net"

/**
 * Starts one before the server of a port, which ends with the scope; answers its own port.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (port: number): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = Net.createServer((socket) => {
        const upstream = Net.connect(port, "127.0.0.1")
        let isKeyed = false
        socket.pipe(upstream)
        upstream.on("data", (chunk: Buffer) => {
          // BackendKeyData: K, length 12, process, secret.
          const at = isKeyed ? -1 : chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
          if (at >= 0) {
            isKeyed = true
            chunk.writeInt32BE(424_242, at + 5)
          }
          socket.write(chunk)
        })
        for (const one of [socket, upstream]) {
          one.on("error", () => {})
          one.on("close", () => void (one === socket ? upstream : socket).destroy())
        }
      }).listen(0, "127.0.0.1")
      await once(server, "listening")
      return server
    }),
    (server) => Effect.sync(() => void server.close())
  ).pipe(Effect.map((server) => (server.address() as Net.AddressInfo).port))
