/**
 * One HTTP request on a connection of its own, and all that is known of its fate at any moment.
 *
 * A token that rotates has to be told apart by how far its request came: nothing was sent before a connection stood, all
 * of it may have been sent from then on, and whatever was read of an answer counts, whether or not the connection ended.
 * The one that opens the connection knows which, and says so; nothing here is guessed from the words of an error.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * What is sent. Redirects are never followed, and nothing is ever sent again: what it holds belongs to one address and
 * is good once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly url: string
  readonly method: string
  /** Names in lower case. What frames the message (`host`, `connection`, `content-length`) is added. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/**
 * What bounds a round trip beside the patience of its caller.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bounds {
  /** Milliseconds that connecting may take. A connection that stands later is not used. */
  readonly connect: number
  /** The longest body that is read, in bytes. */
  readonly body: number
}

/**
 * Status and header fields of the final answer; those of an interim one (1xx) are passed over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Head {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * How a body ended. `Cut`: the connection ended inside it, or less came than was announced. `TooLarge`: reading was given
 * up at the bound.
 *
 * @since 0.1.0
 * @category models
 */
export type End = "Whole" | "Cut" | "TooLarge"

/**
 * How far a request came.
 *
 * @since 0.1.0
 * @category models
 */
export type Progress =
  /** No connection stands yet: not a byte was sent. */
  | { readonly _tag: "Connecting" }
  /** Handed to a connection that stands; nothing was read. */
  | { readonly _tag: "Sent" }
  /** `end` is `Open` while the body may go on. */
  | { readonly _tag: "Answered"; readonly head: Head; readonly body: Uint8Array; readonly end: End | "Open" }
  /** No connection was established. `detail` and `remedy`, what to do about it, are fit for a message. */
  | { readonly _tag: "NeverSent"; readonly detail: string; readonly remedy?: string | undefined }
  /** The connection ended before an answer began. */
  | { readonly _tag: "MaybeSent"; readonly detail: string }

/**
 * A round trip under way.
 *
 * @since 0.1.0
 * @category models
 */
export interface RoundTrip {
  readonly progress: () => Progress
  /** Resolves when the head of the answer was read, or will not be. */
  readonly answering: Promise<void>
  /** Resolves when nothing more will come. */
  readonly ended: Promise<void>
  /** Reads what has arrived and was not read yet: a process that was stopped finds its timers before its sockets. */
  readonly look: () => Promise<void>
  /** Gives the connection up, at whatever stage it is. Nothing is sent after it. */
  readonly abort: () => void
}

/**
 * Sends one request. Never throws.
 *
 * @since 0.1.0
 * @category models
 */
export type RoundTripper = (request: Request, bounds: Bounds) => RoundTrip

/**
 * Makes one round trip within a limit, and reads how far it came by then. Connecting may take half of the limit: a
 * request that is sent late has no time left to be answered in. Never fails; interruption aborts.
 *
 * @since 0.1.0
 * @category combinators
 */
export const within = (
  roundTripper: RoundTripper,
  request: Request,
  options: {
    readonly limit: Duration.DurationInput
    /** Bytes. */
    readonly body: number
    /** Whether the head is all that is of interest. */
    readonly headOnly?: boolean
  }
): Effect.Effect<Progress> =>
  Effect.acquireUseRelease(
    Effect.sync(() => roundTripper(request, { connect: Duration.toMillis(options.limit) / 2, body: options.body })),
    (trip) =>
      Effect.promise(() => options.headOnly === true ? trip.answering : trip.ended).pipe(
        Effect.timeoutOption(options.limit),
        Effect.flatMap((inTime) =>
          Option.isSome(inTime) || trip.progress()._tag === "Connecting"
            ? Effect.void
            // The limit says that time has passed, and not that nothing has come.
            : Effect.promise(trip.look)
        ),
        Effect.map(trip.progress)
      ),
    (trip) => Effect.sync(trip.abort)
  )
