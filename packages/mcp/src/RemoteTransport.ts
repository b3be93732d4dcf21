/**
 * The way to a server of which only the address is known: Streamable HTTP, and where the server does not take that, the
 * HTTP with SSE from before.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as HttpTransport from "./HttpTransport.js"
import type * as JsonRpc from "./JsonRpc.js"
import { RemoteError } from "./RemoteError.js"
import * as SseTransport from "./SseTransport.js"
import type { Transport } from "./Transport.js"

/**
 * How a server is spoken to. `auto` finds out with the first message.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "auto" | "http" | "sse"

/**
 * Every kind.
 *
 * @since 0.1.0
 * @category models
 */
export const kinds: readonly [Kind, ...Array<Kind>] = ["auto", "http", "sse"]

/** What a server of the old kind says to a POST, according to the specification. */
const REFUSALS = new Set([400, 404, 405])

const mayBeOlder = (error: unknown, message: JsonRpc.Message): boolean =>
  message.method === "initialize" && error instanceof RemoteError && error.reason === "Status" &&
  REFUSALS.has(error.status ?? 0) && error.rpc === undefined

/**
 * Makes a transport of a kind. It ends with the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: HttpTransport.Options & { readonly kind: Kind }
): Effect.Effect<HttpTransport.HttpTransport, never, Scope.Scope> => {
  if (options.kind === "http") return HttpTransport.make(options)
  if (options.kind === "sse") return SseTransport.make(options)
  return Effect.gen(function*() {
    const older = yield* SseTransport.make(options)
    const newer = yield* HttpTransport.make(options)
    let chosen = newer

    const begin = async (message: JsonRpc.Message, how: Parameters<Transport["send"]>[1]) => {
      try {
        await newer.send(message, how)
      } catch (error) {
        if (!mayBeOlder(error, message)) throw error
        chosen = older
        await older.send(message, how).catch((other: unknown) => {
          chosen = newer
          // It takes neither, and the first refusal is the one to look into.
          throw other instanceof RemoteError && other.reason !== "AnswerLost" ? error : other
        })
      }
    }
    const transport: HttpTransport.HttpTransport = {
      start: () => Promise.resolve(),
      send: (message, how) =>
        chosen === newer && message.method === "initialize" ? begin(message, how) : chosen.send(message, how),
      close: () => Promise.all([newer.close(), older.close()]).then(() => transport.onclose?.()),
      setProtocolVersion: (version) => chosen.setProtocolVersion?.(version),
      get sessionId() {
        return chosen.sessionId
      },
      terminate: () => chosen.terminate()
    }
    for (const one of [newer, older]) {
      Object.assign(one, {
        onmessage: (message: JsonRpc.Message) => transport.onmessage?.(message),
        onerror: (error: Error) => transport.onerror?.(error)
      })
    }
    return transport
  })
}
