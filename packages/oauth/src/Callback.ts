/**
 * Where the browser brings the answer of an authorization request: a port of this machine, open for one answer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

/**
 * Every port that was asked for is taken.
 *
 * @since 0.1.0
 * @category errors
 */
export class PortsTaken extends Data.TaggedError("PortsTaken")<{ readonly ports: ReadonlyArray<number> }> {}

/**
 * What the page says that closes the loop for the person. `detail` is text, not markup, and holds no secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallbackPage {
  readonly outcome: "Done" | "Failed"
  readonly title: string
  readonly detail: string
}

/**
 * One answer, and the browser that waits for a page.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallbackAnswer {
  /** The query of the address that the browser was sent to, without `?`. Holds the code. */
  readonly query: Redacted.Redacted
  /** Shows the page. The port is closed afterwards. */
  readonly respond: (page: CallbackPage) => Effect.Effect<void>
}

/**
 * An open port.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallbackListener {
  /** Of the first port of the list that was free. */
  readonly port: number
  /**
   * The first GET of the path whose query `accepts` says is the answer. Requests for other paths, with another method, a
   * foreign Host header, or that are refused, get an error page and change nothing.
   */
  readonly answer: Effect.Effect<CallbackAnswer>
}

/**
 * Listens on loopback, on 127.0.0.1 and where there is one on ::1, and nowhere else.
 *
 * @since 0.1.0
 * @category services
 */
export class Callback extends Context.Tag("@lockstep/oauth/Callback")<Callback, {
  readonly listen: (options: {
    /** Tried in this order; 0 is any free one. */
    readonly ports: readonly [number, ...Array<number>]
    readonly path: string
    /** Looks at a query before it counts as the answer: any program on this machine can send one. */
    readonly accepts: (query: URLSearchParams) => boolean
  }) => Effect.Effect<CallbackListener, PortsTaken, Scope.Scope>
}>() {}
