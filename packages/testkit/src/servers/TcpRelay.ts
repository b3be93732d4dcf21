/**
 * A network between clients and a server on loopback: what passes through it can be cut, stalled in one direction or in
 * both, and half closed, while both ends live.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

/**
 * What the network does with connections. `open`: it passes everything. `cut`: what stands is reset, and nothing new is
 * let in. `stalled`: no byte passes and no end is told, as with a cable that is pulled. `deaf`: what clients say arrives,
 * and what the server answers does not. `halfClosed`: clients are told to have ended towards the server, and nothing new is
 * let in.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "open" | "cut" | "stalled" | "deaf" | "halfClosed"

/**
 * A network.
 *
 * @since 0.1.0
 * @category models
 */
export interface TcpRelay {
  readonly port: number
  /** Connections that stand now. */
  readonly connections: Effect.Effect<number>
  /** Changes it for what stands and for what comes. What was held back passes once it is `open` again. */
  readonly become: (state: State) => Effect.Effect<void>
}

interface Pair {
  readonly client: Net.Socket
  readonly server: Net.Socket
}

const applyTo = ({ client, server }: Pair, state: State): void => {
  switch (state) {
    case "open":
      client.resume()
      server.resume()
      return
    case "cut":
      client.resetAndDestroy()
      server.resetAndDestroy()
      return
    case "stalled":
      client.pause()
      server.pause()
      return
    case "deaf":
      client.resume()
      server.pause()
      return
    case "halfClosed":
      client.resume()
      server.resume()
      server.end()
  }
}

/**
 * Starts a network in front of a port of 127.0.0.1. It ends with the scope, and with it every connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (target: number): Effect.Effect<TcpRelay, never, Scope.Scope> =>
  Effect.gen(function*() {
    const pairs = new Set<Pair>()
    let state: State = "open"
    const relay = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      if (state === "cut" || state === "halfClosed") return void client.resetAndDestroy()
      const server = Net.connect({ port: target, host: "127.0.0.1", allowHalfOpen: true })
      const pair = { client, server }
      pairs.add(pair)
      const end = (): void => {
        pairs.delete(pair)
        client.destroy()
        server.destroy()
      }
      // Written as they come: a pipe would go on by itself whenever the other side drains.
      client.on("data", (bytes) => void server.write(bytes)).on("end", () => void server.end())
      server.on("data", (bytes) => void client.write(bytes)).on("end", () => void client.end())
      for (const socket of [client, server]) socket.on("error", end).on("close", end)
      applyTo(pair, state)
    })
    const listening = yield* Deferred.make<number>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        relay.listen(0, "127.0.0.1", () => {
          Deferred.unsafeDone(listening, Effect.succeed((relay.address() as Net.AddressInfo).port))
        })
      ),
      () =>
        Effect.async<void>((resume) => {
          relay.close(() => resume(Effect.void))
          for (const { client, server } of pairs) {
            client.destroy()
            server.destroy()
          }
        })
    )
    return {
      port: yield* Deferred.await(listening),
      connections: Effect.sync(() => pairs.size),
      become: (next) =>
        Effect.sync(() => {
          state = next
          for (const pair of pairs) applyTo(pair, next)
        })
    }
  })
