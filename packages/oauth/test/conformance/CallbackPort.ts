import { Callback, type CallbackAnswer, type CallbackPage, PortsTaken } from "@lockstep/oauth/Callback"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/**
 * Loopback ports in memory: what a browser brings is handed over if a listener is exactly there.
 */
export interface CallbackPort {
  readonly layer: Layer.Layer<Callback>
  /** Ports that another program has. */
  readonly taken: Set<number>
  /** Whether every port has another program, but those that are not asked for by name. */
  isCrowded: boolean
  /** Sends a browser there. Answers what is wrong with the place, or nothing. */
  readonly deliver: (location: URL) => Effect.Effect<string | undefined>
  /** What the person was shown in the end. */
  readonly pages: ReadonlyArray<CallbackPage>
  /** How many ports are open. */
  readonly open: () => number
}

const ANY = 50_123

interface Listener {
  readonly port: number
  readonly path: string
  readonly accepts: (query: URLSearchParams) => boolean
  readonly answered: Deferred.Deferred<CallbackAnswer>
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"])

export const make = (): CallbackPort => {
  const taken = new Set<number>()
  const listeners = new Set<Listener>()
  const pages: Array<CallbackPage> = []
  const self: CallbackPort = {
    taken,
    isCrowded: false,
    pages,
    open: () => listeners.size,
    deliver: (location) =>
      Effect.gen(function*() {
        const listener = [...listeners].find(({ path, port }) =>
          location.protocol === "http:" && LOOPBACK.has(location.hostname) && Number(location.port) === port &&
          location.pathname === path
        )
        if (listener === undefined) return `no program listens at ${location.origin}${location.pathname}`
        if (!listener.accepts(location.searchParams)) return "the answer was not accepted"
        yield* Deferred.succeed(listener.answered, {
          query: Redacted.make(location.search.slice(1)),
          respond: (page) => Effect.sync(() => void pages.push(page))
        })
        return undefined
      }),
    layer: Layer.succeed(Callback, {
      listen: ({ accepts, path, ports }) =>
        Effect.gen(function*() {
          const port = ports.filter((wanted) => wanted === 0 || !self.isCrowded)
            .map((wanted) => wanted === 0 ? ANY : wanted)
            .find((wanted) => !taken.has(wanted))
          if (port === undefined) return yield* new PortsTaken({ ports })
          const listener = { port, path, accepts, answered: yield* Deferred.make<CallbackAnswer>() }
          yield* Effect.acquireRelease(
            Effect.sync(() => listeners.add(listener)),
            () => Effect.sync(() => listeners.delete(listener))
          )
          return { port, answer: Deferred.await(listener.answered) }
        })
    })
  }
  return self
}
