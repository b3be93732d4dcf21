/**
 * The client's side of HTTP with SSE, as before the revision 2025-03-26: one stream for everything that comes, and an
 * address that it names for everything that goes. When the stream ends, so does the session; the next message begins
 * another one.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { HttpTransport, Options } from "./HttpTransport.js"
import * as Handshake from "./internal/handshake.js"
import * as Http from "./internal/http.js"
import * as Session from "./internal/session.js"
import * as JsonRpc from "./JsonRpc.js"
import { RemoteError } from "./RemoteError.js"
import * as Transports from "./Transport.js"

/** A stream that is open, or about to be. */
interface Connection {
  readonly endpoint: Deferred.Deferred<URL, unknown>
  /** Fails what waits for an answer over this stream. */
  readonly ended: Deferred.Deferred<never, RemoteError>
}

/**
 * Makes a transport. It ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<HttpTransport, never, Scope.Scope> =>
  Effect.gen(function*() {
    const url = new URL(options.url)
    const { origin } = url
    const fibers = yield* FiberSet.make<void, unknown>()
    const fork = yield* FiberSet.runtime(fibers)()
    const renewing = yield* Effect.makeSemaphore(1)
    const handshake = Handshake.make()
    const waiting = new Map<string, Deferred.Deferred<void>>()
    let connection: Connection | undefined
    let version: string | undefined

    const receive = (message: JsonRpc.Message): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (JsonRpc.isResponse(message)) {
          const answer = waiting.get(JsonRpc.keyOf(message.id))
          if (answer !== undefined) Deferred.unsafeDone(answer, Exit.void)
        }
        if (own.takes(message)) return Effect.void
        handshake.received(message)
        return Effect.promise(() => Transports.emit(transport, message))
      })
    const content = (detail: string) => new RemoteError({ reason: "Content", origin, detail })

    const read = (mine: Connection): Effect.Effect<void, unknown> =>
      Effect.gen(function*() {
        const response = yield* Http.request(options.fetch, url, {
          method: "GET",
          headers: { ...options.headers, accept: "text/event-stream" }
        })
        if (!response.ok) return yield* (yield* Http.refusal(response, url)).error
        if (Http.mediaType(response) !== "text/event-stream") {
          yield* Http.release(response)
          return yield* content(Http.mediaType(response))
        }
        const end = yield* Http.forEachEvent(response, { lastEventId: "", retry: undefined }, ({ data, type }) =>
          Effect.gen(function*() {
            if (type === "endpoint") {
              const endpoint = URL.canParse(data, url) ? new URL(data, url) : undefined
              // A token that is bound to this origin is not for another one.
              yield* endpoint?.origin === origin
                ? Deferred.succeed(mine.endpoint, endpoint)
                : Deferred.fail(mine.endpoint, content("an address elsewhere"))
            } else if (type === "message" && data !== "") {
              const messages = JsonRpc.parse(data)
              if ("code" in messages) transport.onerror?.(content("not a message"))
              else yield* Effect.forEach(messages, receive, { discard: true })
            }
          }))
        return yield* content(end === "TooLarge" ? "an event is too long" : "no address to send to")
      })

    const connect: Effect.Effect<Connection> = Effect.sync(() => {
      if (connection !== undefined) return connection
      const mine: Connection = {
        endpoint: Deferred.unsafeMake(FiberId.none),
        ended: Deferred.unsafeMake(FiberId.none)
      }
      connection = mine
      const end = (exit: Exit.Exit<void, unknown>) =>
        Effect.sync(() => {
          if (connection === mine) connection = undefined
          Deferred.unsafeDone(mine.endpoint, Exit.zipRight(exit, Exit.die("unreachable")))
          Deferred.unsafeDone(mine.ended, Exit.fail(new RemoteError({ reason: "AnswerLost", origin })))
        })
      fork(Effect.onExit(read(mine), end))
      return mine
    })

    const post = (message: JsonRpc.Message): Effect.Effect<void, unknown> =>
      Effect.gen(function*() {
        const mine = yield* connect
        const endpoint = yield* Deferred.await(mine.endpoint)
        const key = JsonRpc.keyOf(message.id)
        const answer = yield* Deferred.make<void>()
        if (JsonRpc.isRequest(message)) waiting.set(key, answer)
        const send = Effect.gen(function*() {
          const response = yield* Http.request(options.fetch, endpoint, {
            method: "POST",
            headers: {
              ...options.headers,
              "content-type": "application/json",
              ...(version === undefined ? {} : { "mcp-protocol-version": version })
            },
            body: JsonRpc.stringify(message)
          })
          if (!response.ok) return yield* (yield* Http.refusal(response, endpoint, message)).error
          yield* Http.release(response)
          // The answer comes over the stream, or never. A race that is cut between its first two operations waits for ever,
          // so it is made where it cannot be cut.
          if (JsonRpc.isRequest(message)) {
            yield* Effect.uninterruptibleMask((restore) =>
              Effect.raceFirst(restore(Deferred.await(answer)), restore(Deferred.await(mine.ended)))
            )
          }
        })
        yield* Effect.ensuring(send, Effect.sync(() => waiting.delete(key)))
      })
    const own = Session.conversations(post)

    const begun = renewing.withPermits(1)(Effect.suspend(() =>
      connection === undefined && handshake.initialize() !== undefined
        ? Session.begin({ origin, handshake, post, emit: receive, ...own })
        : Effect.void
    ))
    const deliver = (message: JsonRpc.Message): Effect.Effect<void, unknown> =>
      Effect.suspend(() => {
        const isLate = connection === undefined && message.method !== "initialize"
        handshake.sent(message)
        if (!isLate) {
          return post(message)
        }
        // What answers or tells something of the old session means nothing to another one.
        return Effect.zipRight(begun, JsonRpc.isRequest(message) ? post(message) : Effect.void)
      })

    const transport: HttpTransport = {
      start: () =>
        Promise.resolve(),
      send: (message, options) =>
        Transports.settle(fork(deliver(message)), options),
      close: () => Effect.runPromise(FiberSet.clear(fibers)).finally(() => transport.onclose?.()),
      setProtocolVersion: (agreed) => {
        version = agreed
      },
      // Closing the stream is all there is to it.
      terminate: () => Promise.resolve()
    }
    return transport
  })
