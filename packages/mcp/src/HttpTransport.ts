/**
 * The client's side of Streamable HTTP, over a `fetch` that attaches tokens. It fits where the MCP SDK's own does, and
 * differs in what a bridge needs: it reads no faster than the messages are taken, keeps their
 * text, goes on after a session that the server has forgotten, listens for as long as it lives, and settles `send` of a
 * request when it is answered or cannot be any more.
 *
 * Nothing is sent twice but what the server has refused unread.
 *
 * @since 0.1.0
 */
import type { ParsedEvent } from "@lockstep/http/EventParser"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as Handshake from "./internal/handshake.js"
import * as Http from "./internal/http.js"
import * as RoutingHeaders from "./internal/routingHeaders.js"
import * as Session from "./internal/session.js"
import * as JsonRpc from "./JsonRpc.js"
import { RemoteError } from "./RemoteError.js"
import type { Transport } from "./Transport.js"
import * as Transports from "./Transport.js"

/**
 * A function like `fetch`.
 *
 * @since 0.1.0
 * @category models
 */
export type FetchLike = Http.FetchLike

/**
 * Which server, and how it is reached.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly url: string | URL
  /** Attaches the token. */
  readonly fetch: FetchLike
  /** The same for requests whose answer no caller waits for: listening, and ending the session. `fetch`. */
  readonly background?: FetchLike
  /** Further headers of every request. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * A connection to a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpTransport extends Transport {
  /** Tells the server that the session is over. Best effort. */
  readonly terminate: () => Promise<void>
}

/** How often a stream that broke off is asked for again in vain. */
const RESUMPTIONS = 5

/** Milliseconds. */
const wait = (failures: number, asked: number | undefined, longest: number): number =>
  Math.max(asked ?? 0, Math.min(longest, failures === 0 ? 100 : 500 * 2 ** (failures - 1)))

class SessionGone {
  readonly _tag = "SessionGone"
  readonly error: RemoteError
  constructor(error: RemoteError) {
    this.error = error
  }
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
    const background = options.background ?? options.fetch
    const fibers = yield* FiberSet.make<void, unknown>()
    const fork = yield* FiberSet.runtime(fibers)()
    const renewing = yield* Effect.makeSemaphore(1)
    const handshake = Handshake.make()
    let session: string | undefined
    /** A session of which the server may know nothing. */
    let doubted: string | undefined
    let version: string | undefined
    let listening: Fiber.Fiber<void, unknown> | undefined

    const headers = (more: Readonly<Record<string, string>>): Record<string, string> => ({
      ...options.headers,
      ...(session === undefined ? {} : { "mcp-session-id": session }),
      ...(version === undefined ? {} : { "mcp-protocol-version": version }),
      ...more
    })
    const report = (error: RemoteError) => Effect.sync(() => transport.onerror?.(error))
    const unreadable = (detail: string) => new RemoteError({ reason: "Content", origin, detail })

    const receive = (message: JsonRpc.Message): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (own.takes(message)) return Effect.void
        handshake.received(message)
        return Effect.promise(() => Transports.emit(transport, message))
      })
    const receiveAll = (text: string): Effect.Effect<ReadonlyArray<JsonRpc.Message>> =>
      Effect.gen(function*() {
        const messages = JsonRpc.parse(text)
        if ("code" in messages) {
          yield* report(unreadable("not a message"))
          return []
        }
        for (const message of messages) yield* receive(message)
        return messages
      })
    const receiveEvent = ({ data, type }: ParsedEvent) =>
      type === "message" && data !== "" ? receiveAll(data) : Effect.succeed([])

    const resume = (cursor: Http.Cursor, fetch: Http.FetchLike) =>
      Http.request(fetch, url, {
        method: "GET",
        headers: headers({
          accept: "text/event-stream",
          ...(cursor.lastEventId === "" ? {} : { "last-event-id": cursor.lastEventId })
        })
      })

    /** Reads the stream of a request, on as many connections as it takes, until the answer is there. */
    const follow = (first: Response, request: JsonRpc.Request): Effect.Effect<void, unknown> =>
      Effect.gen(function*() {
        const cursor: Http.Cursor = { lastEventId: "", retry: undefined }
        const answers: Array<unknown> = []
        const read = (response: Response) =>
          Http.forEachEvent(response, cursor, (event) =>
            Effect.map(receiveEvent(event), (messages) => {
              answers.push(...messages.filter((one) => JsonRpc.isResponse(one) && one.id === request.id))
            }))
        const tooLong = unreadable("an event is too long")
        if ((yield* read(first)) === "TooLarge") return yield* tooLong
        for (let failures = 0; answers.length === 0;) {
          // A server that gives its events no ids keeps nothing to go on from.
          if (cursor.lastEventId === "" || failures > RESUMPTIONS) {
            return yield* new RemoteError({ reason: "AnswerLost", origin })
          }
          yield* Effect.sleep(wait(failures, cursor.retry, 8000))
          const response = yield* Effect.option(resume(cursor, options.fetch))
          if (response._tag === "None" || response.value.status >= 500) failures++
          else if (response.value.ok) {
            failures = 0
            if ((yield* read(response.value)) === "TooLarge") return yield* tooLong
          } else {
            yield* Http.release(response.value)
            return yield* new RemoteError({ reason: "AnswerLost", origin, status: response.value.status })
          }
        }
      })

    const post = (message: JsonRpc.Message): Effect.Effect<void, unknown> =>
      Effect.gen(function*() {
        const isInitialize = message.method === "initialize"
        const own = headers({
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...RoutingHeaders.of(message)
        })
        if (isInitialize) {
          delete own["mcp-session-id"]
          delete own["mcp-protocol-version"]
        }
        const sent = own["mcp-session-id"]
        const response = yield* Http.request(options.fetch, url, {
          method: "POST",
          headers: own,
          body: JsonRpc.stringify(message)
        })
        if (!response.ok) {
          const refusal = yield* Http.refusal(response, url, message)
          const { error } = refusal
          if (sent === undefined || JsonRpc.versionOf(message) !== undefined) return yield* error
          // It is not sent again: it may have been read. But the next message begins another session.
          if (refusal.session === "Doubtful") doubted = sent
          return yield* Effect.fail(refusal.session === "Gone" ? new SessionGone(error) : error)
        }
        if (isInitialize) session = response.headers.get("mcp-session-id") ?? undefined
        if (!JsonRpc.isRequest(message)) {
          yield* Http.release(response)
          if (message.method === "notifications/initialized") listen()
          return
        }
        switch (Http.mediaType(response)) {
          case "text/event-stream":
            return yield* follow(response, message)
          case "application/json": {
            const text = yield* Effect.mapError(
              Http.readText(response),
              (end) =>
                end === "Cut" ? new RemoteError({ reason: "AnswerLost", origin }) : unreadable("the answer is too long")
            )
            const messages = yield* receiveAll(text)
            if (messages.some(({ id }) => id === message.id)) return
            return yield* unreadable("no answer to the request")
          }
          default:
            yield* Http.release(response)
            return yield* unreadable(Http.mediaType(response))
        }
      })
    const own = Session.conversations(post)

    /**
     * Every caller that finds the session gone comes here; the first begins another one, and the rest find it begun.
     */
    const renew = (gone: string | undefined): Effect.Effect<void, unknown> =>
      renewing.withPermits(1)(Effect.suspend(() =>
        session !== gone ? Effect.void : Session.begin({ origin, handshake, post, emit: receive, ...own }).pipe(
          // Half a session does not count: the next message begins it again.
          Effect.onError(() => Effect.sync(() => (session = gone)))
        )
      ))

    const deliver = (message: JsonRpc.Message): Effect.Effect<void, unknown> =>
      Effect.suspend(() => {
        const before = session
        handshake.sent(message)
        // What answers or tells something of the old session means nothing to another one.
        const anew = Effect.flatMap(renew(before), () =>
          JsonRpc.isRequest(message) ? post(message) : Effect.void)
        const isDoubted = before !== undefined && before === doubted && message.method !== "initialize"
        return isDoubted ? anew : Effect.catchIf(post(message), (error) => error instanceof SessionGone, () => anew)
      }).pipe(Effect.mapError((error) => error instanceof SessionGone ? error.error : error))

    /** Listens for what the server says of its own accord, in this session, until it is over. */
    const listenTo = (mine: string | undefined): Effect.Effect<void, unknown> =>
      Effect.gen(function*() {
        const cursor: Http.Cursor = { lastEventId: "", retry: undefined }
        const isCurrent = () => session === mine
        for (let failures = 0; isCurrent();) {
          const answer = yield* Effect.either(resume(cursor, background))
          if (answer._tag === "Left") {
            if (failures++ === 0) yield* Effect.sync(() => transport.onerror?.(answer.left as Error))
          } else if (answer.right.ok && Http.mediaType(answer.right) === "text/event-stream") {
            failures = 0
            const end = yield* Http.forEachEvent(answer.right, cursor, receiveEvent)
            if (end === "TooLarge") return yield* report(unreadable("an event is too long"))
          } else {
            const { error, session: said } = yield* Http.refusal(answer.right, url)
            // Nothing is sent by listening, so that nothing can be sent twice.
            const isSessionGone = said !== "Known"
            // A server that has nothing to say of its own accord.
            if (answer.right.ok || error.status === 405) return
            if (isSessionGone && mine !== undefined) {
              // In a fiber of its own: the new session ends this one, which listens to the old.
              if (Exit.isSuccess(yield* Fiber.await(fork(renew(mine))))) return
            } else if (isSessionGone) return
            if (failures++ === 0) yield* report(error)
          }
          yield* Effect.sleep(wait(failures, cursor.retry, 30_000))
        }
      })
    const listen = () => {
      const previous = listening
      listening = fork(listenTo(session))
      if (previous !== undefined) fork(Fiber.interruptFork(previous))
    }

    const terminate = Effect.suspend(() =>
      session === undefined
        ? Effect.void
        : Effect.flatMap(
          Http.request(background, url, { method: "DELETE", headers: headers({}) }),
          Http.release
        )
    )

    const transport: HttpTransport = {
      start: () => Promise.resolve(),
      // The fiber begins here and now, which is what keeps messages in order.
      send: (message, options) => Transports.settle(fork(deliver(message)), options),
      close: () => Effect.runPromise(FiberSet.clear(fibers)).finally(() => transport.onclose?.()),
      setProtocolVersion: (agreed) => {
        version = agreed
      },
      get sessionId() {
        return session
      },
      terminate: () => Effect.runPromise(Effect.ignore(terminate))
    }
    return transport
  })
