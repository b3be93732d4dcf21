/** What the transports over HTTP have in common: one request, and one stream of events. */
import * as WholeBody from "@lockstep/core/WholeBody"
import * as EventParser from "@lockstep/http/EventParser"
import * as Effect from "effect/Effect"
import * as JsonRpc from "../JsonRpc.js"
import { RemoteError } from "../RemoteError.js"
import { LONGEST } from "./lines.js"

/** A function like `fetch`, which sends the token along. */
export type FetchLike = (input: string | URL, init?: RequestInit) => Promise<Response>

/** Of an error's body, this much is looked at, in bytes. */
const GLANCE = 65_536

const codeOf = (error: unknown): string | undefined => {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const code: unknown = Reflect.get(at, "code")
    if (typeof code === "string") return code
  }
  return error instanceof Error ? error.name : undefined
}

/** With these nothing was sent. With any other a request may have been read, and done, before the connection broke. */
const NEVER_SENT =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|CERT_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*)$/

/** Errors that say what to do are passed on as they are; those of `fetch` are told by their code. */
const fromRejection = (origin: string) => (error: unknown): unknown => {
  if (error instanceof Error && "_tag" in error && "advice" in error) return error
  const detail = codeOf(error)
  return new RemoteError({ reason: NEVER_SENT.test(detail ?? "") ? "Unreachable" : "AnswerLost", origin, detail })
}

export const request = (
  fetch: FetchLike,
  url: URL,
  init: RequestInit
): Effect.Effect<Response, unknown> =>
  Effect.tryPromise({ try: (signal) => fetch(url, { ...init, signal }), catch: fromRejection(url.origin) })

/** Lets go of a body that is not read. */
export const release = (response: Response): Effect.Effect<void> =>
  Effect.sync(() => void response.body?.cancel().catch(() => undefined))

export const mediaType = (response: Response): string =>
  (response.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase()

/** The bytes of a body, one piece after the other, each asked for when the one before was dealt with and more is wanted. */
const forEachPiece = <E>(
  response: Response,
  handle: (bytes: Uint8Array) => Effect.Effect<boolean, E>
): Effect.Effect<void, E | "broken"> =>
  Effect.acquireUseRelease(
    Effect.sync(() => response.body?.getReader()),
    (reader) =>
      Effect.gen(function*() {
        if (reader === undefined) return
        for (;;) {
          const { done, value } = yield* Effect.tryPromise({ try: () => reader.read(), catch: () => "broken" as const })
          if (done || !(yield* handle(value))) return
        }
      }),
    (reader) => Effect.sync(() => void reader?.cancel().catch(() => undefined))
  )

/** A whole message in a body; what is cut or too long does not count. */
export const readText = (response: Response): Effect.Effect<string, "Cut" | "TooLarge"> =>
  Effect.flatMap(
    Effect.promise(() => WholeBody.read(response.body, LONGEST)),
    ({ end, text }) => end === "Whole" ? Effect.succeed(text) : Effect.fail(end)
  )

/** How far a stream was read. */
export interface Cursor {
  /** The id of the last event; the empty string stands for no id. */
  lastEventId: string
  /** Milliseconds, where the server has said how long to wait before connecting again. */
  retry: number | undefined
}

/** Reads a stream of events to its end, however that comes, or to an event that is longer than any message may be. */
export const forEachEvent = (
  response: Response,
  cursor: Cursor,
  handle: (event: EventParser.ParsedEvent) => Effect.Effect<void>
): Effect.Effect<"Ended" | "TooLarge"> => {
  const parser = EventParser.make(cursor.lastEventId)
  const read = forEachPiece(response, (bytes) =>
    Effect.gen(function*() {
      const events = parser.feed(bytes)
      cursor.retry = parser.retry() ?? cursor.retry
      for (const event of events) {
        yield* handle(event)
        // Only what was handed on is not asked for again.
        cursor.lastEventId = event.lastEventId
      }
      // An event without data only says where to go on.
      cursor.lastEventId = parser.lastEventId()
      return parser.pending() <= LONGEST
    }))
  return Effect.map(Effect.ignore(read), () => parser.pending() > LONGEST ? "TooLarge" : "Ended")
}

const rpcErrorOf = (text: string) => {
  const messages = JsonRpc.parse(text)
  if (!Array.isArray(messages)) return undefined
  const { error, id } = (messages as ReadonlyArray<JsonRpc.Message>)[0]!
  const code = JsonRpc.member(error, "code")
  const message = JsonRpc.member(error, "message")
  return typeof code === "number" && typeof message === "string"
    ? { id, error: { code, message, data: JsonRpc.member(error, "data") } }
    : undefined
}

/** An answer that is a refusal. */
export interface Refusal {
  readonly error: RemoteError
  /**
   * What the server says of the session. `Gone`: it does not know it, and has read nothing of the message (a 404 of the
   * endpoint itself, as the specification has it). `Doubtful`: the words say so, or an address does that a redirect led to;
   * what became of the message is not known.
   */
  readonly session: "Known" | "Doubtful" | "Gone"
}

/** A `fetch` that says nothing of where it ended up has not been led elsewhere. */
const isOf = (response: Response, url: URL): boolean => {
  if (response.url === "") return true
  const [reached, asked] = [new URL(response.url), new URL(url)]
  reached.hash = asked.hash = ""
  return !response.redirected && reached.href === asked.href
}

/** Reads why a message was refused. What comes with a 401 or 403 is not repeated: some quote the token. */
export const refusal = (response: Response, url: URL, message?: JsonRpc.Message): Effect.Effect<Refusal> =>
  Effect.gen(function*() {
    const { status } = response
    const { origin } = url
    if (status === 401 || status === 403) {
      yield* release(response)
      return { error: new RemoteError({ reason: "Unauthorized", origin, status }), session: "Known" }
    }
    const { text } = yield* Effect.promise(() => WholeBody.read(response.body, GLANCE))
    const rpc = rpcErrorOf(text)
    const isAnswer = rpc !== undefined && rpc.id !== null && rpc.id === message?.id
    const error = new RemoteError({
      reason: "Status",
      origin,
      status,
      ...(rpc === undefined ? {} : { rpc: rpc.error })
    })
    if (isAnswer) return { error, session: "Known" }
    if (status === 404) return { error, session: isOf(response, url) ? "Gone" : "Doubtful" }
    // Servers that were made from the SDK's example say 400 and tell why.
    return { error, session: status === 400 && /session/i.test(text) ? "Doubtful" : "Known" }
  })
