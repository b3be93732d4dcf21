/**
 * Server-sent events over a client that attaches tokens: a stream that outlives its connections.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as EventParser from "./EventParser.js"
import { release } from "./internal/release.js"

/**
 * One event, as HTML has it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerSentEvent {
  /** `message` where the server names none. */
  readonly type: string
  readonly data: string
  /** The id that the server gave last, to this event or to an earlier one; empty where it gave none. */
  readonly lastEventId: string
}

/**
 * One event is larger than the bound: read it in another way, or raise the bound.
 *
 * @since 0.1.0
 * @category errors
 */
export class EventTooLarge extends Schema.TaggedError<EventTooLarge>()("EventTooLarge", {
  /** Characters. */
  limit: Schema.Number
}) {
  override get message(): string {
    return `an event of the stream is longer than ${this.limit} characters`
  }
  get advice(): string {
    return "raise `maxEventLength` if events of this size are expected"
  }
}

/**
 * How a stream is kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Where to go on from. From the start. */
  readonly lastEventId?: string
  /** The wait before a new connection until the server says `retry`. 3 seconds. */
  readonly retry?: Duration.DurationInput
  /** The longest wait after connections that failed, one after the other. 1 minute. */
  readonly maxRetry?: Duration.DurationInput
  /** Characters of one event. 16 million. */
  readonly maxEventLength?: number
}

const MAX_EVENT_LENGTH = 16_000_000
const RETRY = Duration.seconds(3)
const MAX_RETRY = Duration.minutes(1)

/** Milliseconds. A server that says 0 shall not be asked without a pause, and no timer is longer than 24 days. */
const SHORTEST = 100
const LONGEST = 3_600_000

const parse = (parser: EventParser.EventParser, limit: number) =>
<E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<ServerSentEvent, E | EventTooLarge, R> =>
  Stream.mapConcatEffect(bytes, (chunk) =>
    Effect.suspend(() => {
      const events = parser.feed(chunk)
      return parser.pending() > limit ? new EventTooLarge({ limit }) : Effect.succeed(events)
    }))

/**
 * Reads bytes as events (HTML, 9.2.6). An event without its blank line at the end does not count.
 *
 * @since 0.1.0
 * @category combinators
 */
export const decode = (options: Pick<Options, "maxEventLength"> = {}) =>
<E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<ServerSentEvent, E | EventTooLarge, R> =>
  Stream.suspend(() => parse(EventParser.make(), options.maxEventLength ?? MAX_EVENT_LENGTH)(bytes))

/** `Last-Event-ID` is UTF-8, and what headers are made of is bytes. */
const asHeader = (id: string): string => String.fromCharCode(...new TextEncoder().encode(id))

/** Tags of errors that another try may not meet. */
const TRANSIENT = new Set(["ResponseTimeout", "ProviderTimeout", "ProviderUnavailable", "LockTimeout"])

const isTransient = (error: unknown): boolean =>
  HttpClientError.isHttpClientError(error)
    ? error._tag === "RequestError" && error.reason === "Transport"
    : Predicate.hasProperty(error, "_tag") && TRANSIENT.has(String(error._tag)) &&
      !(Predicate.hasProperty(error, "reason") && error.reason === "Offline")

/** Milliseconds that the error itself asks for. */
const askedFor = (error: unknown): number =>
  Predicate.hasProperty(error, "retryAfter") && typeof error.retryAfter === "number" ? error.retryAfter : 0

const isEventStream = ({ headers }: HttpClientResponse): boolean =>
  /^text\/event-stream\s*(?:;|$)/i.test(headers["content-type"] ?? "")

/**
 * Reads the events of a request for as long as the server lets it. A connection that ends or breaks is followed by a
 * new one, with whatever token is current then, `Last-Event-ID`, and after the server's `retry`; one that fails, after a
 * wait that doubles. A 204 ends the stream. Any other answer than an event stream, except a 5xx, and any error that
 * another try would meet again, fails it: give it a client that recovers from a 401 by itself.
 *
 * The request must be one that may be sent again and again: a GET.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reconnecting = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  request: HttpClientRequest.HttpClientRequest,
  options: Options = {}
): Stream.Stream<ServerSentEvent, E | HttpClientError.ResponseError | EventTooLarge, R> =>
  Stream.suspend(() => {
    const parser = EventParser.make(options.lastEventId)
    const limit = options.maxEventLength ?? MAX_EVENT_LENGTH
    const longest = Duration.toMillis(options.maxRetry ?? MAX_RETRY)
    let wait = 0
    let failures = 0

    const base = (): number => Math.max(SHORTEST, parser.retry() ?? Duration.toMillis(options.retry ?? RETRY))
    const ended = (): void => {
      failures = 0
      wait = base()
    }
    /** The jitter keeps clients apart that one server lost together. */
    const failed = (asked: number): Effect.Effect<void> =>
      Effect.map(Random.nextRange(0.75, 1), (jitter) => {
        wait = Math.max(base(), asked, Math.min(longest, base() * 2 ** failures) * jitter)
        failures++
      })

    const read = (response: HttpClientResponse): Stream.Stream<ServerSentEvent, EventTooLarge> => {
      parser.restart()
      return Stream.concat(
        // A connection that breaks in the middle is a connection that ended.
        parse(parser, limit)(Stream.catchAll(response.stream, () => Stream.empty)),
        Stream.sync(ended).pipe(Stream.drain)
      )
    }

    const judge = (
      response: HttpClientResponse
    ): Effect.Effect<Stream.Stream<ServerSentEvent, EventTooLarge>, Option.Option<HttpClientError.ResponseError>> => {
      if (response.status === 200 && isEventStream(response)) return Effect.succeed(read(response))
      const told = (reason: "StatusCode" | "Decode", description?: string) =>
        new HttpClientError.ResponseError({ request, response, reason, ...(description && { description }) })
      return release(response).pipe(Effect.zipRight(Effect.suspend(() => {
        if (response.status === 204) return Effect.fail(Option.none())
        if (response.status >= 500) return Effect.as(failed(0), Stream.empty)
        return Effect.fail(Option.some(
          response.status === 200 ? told("Decode", "the answer is no event stream") : told("StatusCode")
        ))
      })))
    }

    const connect: Effect.Effect<
      Stream.Stream<ServerSentEvent, EventTooLarge>,
      Option.Option<E | HttpClientError.ResponseError>,
      R
    > = Effect.suspend(() => {
      const id = parser.lastEventId()
      const sent = HttpClientRequest.setHeaders(request, {
        accept: "text/event-stream",
        "cache-control": "no-store",
        ...(id === "" ? {} : { "last-event-id": asHeader(id) })
      })
      return Effect.matchEffect(Effect.delay(Effect.suspend(() => client.execute(sent)), Math.min(LONGEST, wait)), {
        onSuccess: judge,
        onFailure: (error) =>
          isTransient(error) ? Effect.as(failed(askedFor(error)), Stream.empty) : Effect.fail(Option.some(error))
      })
    })

    return Stream.flatten(Stream.repeatEffectOption(connect))
  })
