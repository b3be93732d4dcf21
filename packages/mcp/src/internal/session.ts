/** Begins a session anew in the place of one that the server has forgotten, once for all callers that find out. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as JsonRpc from "../JsonRpc.js"
import { RemoteError } from "../RemoteError.js"
import type * as Handshake from "./handshake.js"

/** Conversations of our own, whose answers are not passed on. */
export interface Conversations {
  /** Sends a request under an id of our own and answers with the answer. */
  readonly converse: (message: JsonRpc.Message) => Effect.Effect<JsonRpc.Message, unknown>
  /** Whether a message was an answer to one of ours. */
  readonly takes: (message: JsonRpc.Message) => boolean
}

export const conversations = (post: (message: JsonRpc.Message) => Effect.Effect<void, unknown>): Conversations => {
  const own = new Map<unknown, Deferred.Deferred<JsonRpc.Message>>()
  let count = 0
  return {
    converse: (message) =>
      Effect.gen(function*() {
        // No client counts in this way, so that an answer is never taken for one to the client.
        const id = `lockstep-session-${++count}-${Math.random().toString(36).slice(2)}`
        const answer = yield* Deferred.make<JsonRpc.Message>()
        own.set(id, answer)
        return yield* post({ ...message, id }).pipe(
          Effect.zipRight(Deferred.await(answer)),
          Effect.ensuring(Effect.sync(() => own.delete(id)))
        )
      }),
    takes: (message) => {
      const answer = JsonRpc.isResponse(message) ? own.get(message.id) : undefined
      if (answer !== undefined) Deferred.unsafeDone(answer, Exit.succeed(message))
      return answer !== undefined
    }
  }
}

/** Repeats what the client began with, tells the client what it must know, and asks it nothing. */
export const begin = (options: {
  readonly origin: string
  readonly handshake: Handshake.Handshake
  readonly converse: Conversations["converse"]
  readonly post: (message: JsonRpc.Message) => Effect.Effect<void, unknown>
  readonly emit: (message: JsonRpc.Message) => Effect.Effect<void>
}): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    const { converse, emit, handshake, origin, post } = options
    const lost = (detail: string) => new RemoteError({ reason: "SessionLost", origin, detail })
    const initialize = handshake.initialize()
    if (initialize === undefined) return yield* lost("the client has not begun one")
    const { error, result } = yield* converse({ jsonrpc: "2.0", method: "initialize", params: initialize.params })
    if (error !== undefined) return yield* lost("it refused to")
    if (JsonRpc.member(result, "protocolVersion") !== handshake.version()) {
      return yield* lost("it speaks another version of the protocol now")
    }
    for (const message of handshake.restore()) {
      // A server that knows a level or a subscription no more is a server without them, and no broken session.
      yield* message.method === "notifications/initialized" ? post(message) : Effect.ignore(converse(message))
    }
    for (const message of handshake.afterwards()) yield* emit(message)
  })
