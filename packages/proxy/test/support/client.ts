/**
 * A client that holds one exchange open, both ways, and reads only when it is told to.
 */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as Net from "node:net"

export interface Held {
  readonly request: Http.ClientRequest
  readonly response: Http.IncomingMessage
  readonly write: (text: string) => Effect.Effect<void>
  /** Reads until everything that was read ends with this. */
  readonly reads: (text: string) => Effect.Effect<void>
  /** Reads to the end, or to where the connection was cut. */
  readonly rest: Effect.Effect<{ readonly bytes: number; readonly whole: boolean }>
  readonly leave: Effect.Effect<void>
}

const hold = (request: Http.ClientRequest, response: Http.IncomingMessage): Held => {
  let text = ""
  let bytes = 0
  let isListening = false
  const waiting = new Set<() => void>()
  response.on("error", () => {})
  const listen = () => {
    if (isListening) return
    isListening = true
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      text = (text + chunk.toString("latin1")).slice(-1024)
      for (const look of waiting) look()
    })
  }
  return {
    request,
    response,
    write: (more) => Effect.sync(() => void request.write(more)),
    reads: (expected) =>
      Effect.async((resume) => {
        const look = () => {
          if (!text.endsWith(expected)) return
          waiting.delete(look)
          resume(Effect.void)
        }
        waiting.add(look)
        listen()
        look()
      }),
    rest: Effect.async((resume) => {
      const done = () => resume(Effect.sync(() => ({ bytes, whole: response.complete })))
      if (response.closed) return done()
      response.once("close", done)
      listen()
      response.resume()
    }),
    leave: Effect.sync(() => void request.destroy())
  }
}

/** What every body begins with. */
export const FIRST = "first;"

/** Opens an exchange and waits for the head of its answer. A request with a body stays open until it is ended. */
export const open = (
  url: string,
  options: { readonly method?: string; readonly headers?: Http.OutgoingHttpHeaders } = {}
) =>
  Effect.acquireRelease(
    Effect.async<Held>((resume) => {
      const method = options.method ?? "GET"
      const request = Http.request(url, { method, agent: false, headers: options.headers ?? {} })
      request.on("error", (error) => resume(Effect.die(error)))
      request.on("response", (response) => resume(Effect.succeed(hold(request, response))))
      if (method === "GET") request.end()
      // The head goes on with the first piece of the body.
      else request.write(FIRST)
    }),
    ({ leave }) => leave
  )

/** A connection on which nothing is said until the test does. */
export const connect = (port: number) =>
  Effect.acquireRelease(
    Effect.async<Net.Socket>((resume) => {
      const socket = Net.connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** One turn of the event loop. */
const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Waits until something holds. */
export const until = (holds: () => boolean): Effect.Effect<void> => Effect.repeat(turn, { until: holds })

/** Waits for one event. */
export const event = (
  emitter: { readonly once: (name: string, listener: (...values: Array<unknown>) => void) => unknown },
  name: string
): Effect.Effect<void> =>
  Effect.async((resume) => {
    emitter.once(name, () => resume(Effect.void))
  })
