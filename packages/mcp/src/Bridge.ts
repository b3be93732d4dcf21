/**
 * Passes JSON-RPC messages on between two transports of the MCP SDK, in both directions, until one side ends.
 *
 * Each direction has one fiber, which is what keeps the order: the next message is handed over when the one before is
 * taken. Taken is, towards the server, a notification or an answer that it has acknowledged, within `patience`; a request
 * that is on its way, because its answer may take for ever and the server may ask something back meanwhile; and
 * `initialize` when it is answered, because nothing may come before that. Each request is answered once: by the server,
 * or with an error when it cannot be any more.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Runtime from "effect/Runtime"
import * as JsonRpc from "./JsonRpc.js"
import * as RemoteError from "./RemoteError.js"
import type { Transport } from "./Transport.js"

/**
 * The two sides, and how long is waited for what.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Who asks. */
  readonly client: Transport
  /** Who is asked. */
  readonly server: Transport
  /** How long a notification that the server does not acknowledge holds up what is behind it. 10 seconds. */
  readonly patience?: Duration.DurationInput
  /** How long open requests are still waited for when the client has said all. 10 seconds. */
  readonly drain?: Duration.DurationInput
  /** Tells a failure to the client; {@link RemoteError.toRpcError} where nothing else is said. */
  readonly toRpcError?: (error: unknown) => JsonRpc.RpcError
}

/**
 * Which side ended first.
 *
 * @since 0.1.0
 * @category models
 */
export type Ended = "client" | "server"

/**
 * A message on its way, and the sender that is told when it is taken. Without a message, it is the end of that
 * direction.
 */
interface Item {
  readonly message: JsonRpc.Message | undefined
  readonly taken: () => void
}

interface Pending {
  readonly id: JsonRpc.Id
  readonly method: string
  readonly abort: AbortController
  readonly answered: Deferred.Deferred<void>
  /** Since 2026-07-28 a request is cancelled by closing its stream. */
  readonly isStateless: boolean
}

const nameOf = (error: unknown): string => error instanceof Error ? error.name : typeof error

/** What the log may say of an error: our own words, or its name. */
const describe = (error: unknown): string => {
  const { data, message } = RemoteError.toRpcError(error)
  return JsonRpc.member(data, "_tag") === "Unexpected" ? nameOf(error) : message
}

const attempt = (run: () => Promise<unknown>): Effect.Effect<unknown, unknown> =>
  Effect.tryPromise({ try: run, catch: (error) => error })

const forEachTaken = <E>(
  queue: Queue.Dequeue<Item>,
  handle: (message: JsonRpc.Message) => Effect.Effect<unknown, E>
): Effect.Effect<void, E> =>
  Effect.flatMap(
    Queue.take(queue),
    ({ message, taken }) =>
      message === undefined ? Effect.void : Effect.flatMap(handle(message), () => {
        taken()
        return forEachTaken(queue, handle)
      })
  )

const offer = (queue: Queue.Enqueue<Item>, message: JsonRpc.Message | undefined): Promise<void> =>
  new Promise((taken) => {
    queue.unsafeOffer({ message, taken })
  })

/**
 * Relays until one side ends, and answers with which. When the client ends, what it asked is still answered, within
 * `drain`; when the server ends, what is open is answered with an error. The transports are started and not closed.
 *
 * @since 0.1.0
 * @category execution
 */
export const run = (options: Options): Effect.Effect<Ended, unknown> =>
  Effect.gen(function*() {
    const { client, server } = options
    const toRpcError = options.toRpcError ?? RemoteError.toRpcError
    const patience = options.patience ?? "10 seconds"
    const drain = options.drain ?? "10 seconds"
    const fork = Runtime.runFork(yield* Effect.runtime<never>())
    const toServer = yield* Queue.unbounded<Item>()
    const toClient = yield* Queue.unbounded<Item>()
    const clientEnded = yield* Deferred.make<void>()
    const serverEnded = yield* Deferred.make<void>()
    const pending = new Map<string, Pending>()
    let whenIdle = () => {}

    /** Takes a request off the list: only the caller that gets it answers it. */
    const settle = (id: unknown): Pending | undefined => {
      const key = JsonRpc.keyOf(id)
      const found = pending.get(key)
      pending.delete(key)
      if (found !== undefined) Deferred.unsafeDone(found.answered, Exit.void)
      if (pending.size === 0) whenIdle()
      return found
    }
    const fail = (request: Pending, error: unknown): void => {
      if (pending.get(JsonRpc.keyOf(request.id)) !== request) return
      settle(request.id)
      void offer(toClient, JsonRpc.failure(request.id, toRpcError(error)))
    }
    const lost = (reason: "AnswerLost" | "Closed") => new RemoteError.RemoteError({ reason, origin: "the server" })

    const ask = (message: JsonRpc.Request): Effect.Effect<void> =>
      Effect.gen(function*() {
        const key = JsonRpc.keyOf(message.id)
        if (pending.has(key)) {
          const code = JsonRpc.ErrorCode.InvalidRequest
          void offer(toClient, JsonRpc.failure(message.id, { code, message: "this id is in use" }))
          return
        }
        const request: Pending = {
          id: message.id,
          method: message.method,
          abort: new AbortController(),
          answered: yield* Deferred.make<void>(),
          isStateless: JsonRpc.versionOf(message) !== undefined
        }
        pending.set(key, request)
        const sending = attempt(() =>
          server.send(message, {
            requestSignal: request.abort.signal,
            onRequestStreamEnd: () => fail(request, lost("AnswerLost"))
          })
        )
        // The promise is asked for here and now, which is what keeps requests in order; it is not waited for.
        fork(Effect.catchAll(sending, (error) => Effect.sync(() => fail(request, error))))
        if (message.method !== "initialize") return
        yield* Effect.raceFirst(Deferred.await(request.answered), Deferred.await(clientEnded))
      })

    const tell = (message: JsonRpc.Message): Effect.Effect<void> =>
      attempt(() => server.send(message)).pipe(
        Effect.catchAll((error) => Effect.logWarning(`a message did not reach the server: ${describe(error)}`)),
        Effect.disconnect,
        Effect.timeoutOption(patience),
        Effect.asVoid
      )

    const cancel = (message: JsonRpc.Message): Effect.Effect<void> =>
      Effect.suspend(() => {
        const request = settle(JsonRpc.member(message.params, "requestId"))
        const close = Effect.sync(() => request?.abort.abort())
        return request?.isStateless === true ? close : Effect.zipRight(tell(message), close)
      })

    Object.assign(client, {
      onmessage: (message: JsonRpc.Message) => offer(toServer, message),
      onclose: () => {
        Deferred.unsafeDone(clientEnded, Exit.void)
        void offer(toServer, undefined)
      },
      onerror: (error: unknown) => void fork(Effect.logDebug(`client: ${describe(error)}`))
    })
    Object.assign(server, {
      onmessage: (message: JsonRpc.Message) => {
        if (JsonRpc.isResponse(message) && message.id !== null && message.id !== undefined) {
          const request = settle(message.id)
          // No request waits for it: it was cancelled, or an error has answered it.
          if (request === undefined) return undefined
          const version = JsonRpc.member(message.result, "protocolVersion")
          if (request.method === "initialize" && typeof version === "string") server.setProtocolVersion?.(version)
        }
        return offer(toClient, message)
      },
      onclose: () => Deferred.unsafeDone(serverEnded, Exit.void),
      onerror: (error: unknown) => void fork(Effect.logDebug(`server: ${describe(error)}`))
    })

    const incoming = yield* Effect.fork(forEachTaken(toServer, (message) =>
      JsonRpc.isRequest(message)
        ? ask(message)
        : message.method === "notifications/cancelled"
        ? cancel(message)
        : tell(message)))
    // A client that takes no more has ended, too.
    const outgoing = yield* Effect.fork(
      Effect.ignore(forEachTaken(toClient, (message) => attempt(() => client.send(message))))
    )
    yield* attempt(() => server.start())
    yield* attempt(() => client.start())

    const ended = yield* Effect.raceFirst(
      Effect.as(Deferred.await(serverEnded), "server" as const),
      Effect.as(Effect.raceFirst(Fiber.await(incoming), Fiber.await(outgoing)), "client" as const)
    )
    if (ended === "client") {
      const answered = Effect.async<void>((resume) => {
        whenIdle = () => resume(Effect.void)
        if (pending.size === 0) whenIdle()
      })
      const over = Effect.raceFirst(Deferred.await(serverEnded), Effect.asVoid(Fiber.await(outgoing)))
      yield* Effect.timeoutOption(Effect.raceFirst(answered, over), drain)
    }
    yield* Fiber.interruptFork(incoming)
    for (const request of Array.from(pending.values())) fail(request, lost("Closed"))
    for (const { message } of yield* Queue.takeAll(toServer)) {
      if (message !== undefined && JsonRpc.isRequest(message)) {
        void offer(toClient, JsonRpc.failure(message.id, toRpcError(lost("Closed"))))
      }
    }
    void offer(toClient, undefined)
    yield* Effect.timeoutOption(Fiber.await(outgoing), drain)
    return ended
  })
