/**
 * Events as they are sent (WHATWG HTML, server-sent events). A stream ends with the keeper, and with the key of its client.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Printable from "@lockstep/core/Printable"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Callers from "./Caller.js"
import { Ending } from "./Ending.js"
import { Exchange } from "./Exchange.js"
import { KeeperApi } from "./KeeperApi.js"
import { type KeeperEvent, KeeperEvents } from "./KeeperEvents.js"

/** Milliseconds between two signs of life. A key that was removed ends its streams within so much. */
const BEAT = 15_000

const encoder = new TextEncoder()
const LIVES = encoder.encode(": keeper\n\n")
const NOTHING = new Uint8Array(0)

const render = ({ data, event }: KeeperEvent): Uint8Array =>
  encoder.encode(`event: ${event}\ndata: ${Printable.json(data)}\n\n`)

/**
 * The endpoint of events.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = HttpApiBuilder.group(KeeperApi, "events", (handlers) =>
  Effect.gen(function*() {
    const events = yield* KeeperEvents
    const ending = yield* Ending
    return handlers.handle("events", () =>
      Effect.gen(function*() {
        const { caller, isStillKnown } = yield* Exchange
        const next = (queue: Queue.Dequeue<KeeperEvent>): Effect.Effect<Uint8Array, Option.Option<never>> =>
          Effect.raceFirst(
            Effect.timeoutOption(Queue.take(queue), BEAT),
            // Ends the stream, and so the answer, as a whole one.
            Effect.zipRight(ending.begun, Effect.fail(Option.none()))
          ).pipe(
            Effect.filterOrFail(isStillKnown, () => Option.none()),
            Effect.map(Option.match({
              onNone: () => LIVES,
              onSome: (event) => Callers.mayUse(caller, event.data.tenant) ? render(event) : NOTHING
            }))
          )
        const body = Stream.unwrapScoped(
          Effect.map(events.subscribe, (queue) => Stream.repeatEffectOption(next(queue)))
        )
        return HttpServerResponse.stream(
          // The head goes with the first byte.
          Stream.concat(Stream.make(LIVES), body).pipe(
            Stream.filter((bytes) => bytes.length > 0)
          ),
          { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
        )
      }))
  }))
