import { assert, describe, it } from "@effect/vitest"
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as Effect from "effect/Effect"
import * as Net from "node:net"

/** A server that does this with each connection. */
const serve = (listener: (socket: Net.Socket) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = Net.createServer(listener)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => (server.address() as Net.AddressInfo).port
  )

const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n"

/** A tunnel through the proxy, once it stands. */
const tunnel = ({ url }: LoopbackProxy.LoopbackProxy) =>
  Effect.async<Net.Socket>((resume) => {
    const socket = Net.connect(Number(new URL(url).port), "127.0.0.1", () => {
      socket.write("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
    })
    socket.once("data", () => resume(Effect.succeed(socket))).resume()
    socket.on("error", () => {})
  })

const closed = (socket: Net.Socket) =>
  Effect.async<void>((resume) => void socket.once("close", () => resume(Effect.void)))

describe("LoopbackProxy", () => {
  it.scopedLive("passes a reset on: what waits for an answer of that server waits no more", () =>
    Effect.gen(function*() {
      const port = yield* serve((socket) => socket.once("data", () => void socket.resetAndDestroy()))
      const client = yield* Effect.flatMap(LoopbackProxy.make({ port }), tunnel)
      client.write("question")
      yield* closed(client)
    }))

  it.scopedLive("gives the server up that its client has given up", () =>
    Effect.gen(function*() {
      let resume: (socket: Net.Socket) => void
      const served = new Promise<Net.Socket>((resolve) => void (resume = resolve))
      const port = yield* serve((socket) => resume(socket.on("error", () => {}).resume()))
      const client = yield* Effect.flatMap(LoopbackProxy.make({ port }), tunnel)
      const server = yield* Effect.promise(() => served)
      client.resetAndDestroy()
      yield* closed(server)
    }))

  it.scopedLive("loses nothing that was written before an end", () =>
    Effect.gen(function*() {
      const size = 8 * 1024 * 1024
      const port = yield* serve((socket) => void socket.end(Buffer.alloc(size)))
      const client = yield* Effect.flatMap(LoopbackProxy.make({ port }), tunnel)
      yield* closed(client)
      assert.strictEqual(client.bytesRead, ESTABLISHED.length + size)
    }))
})
