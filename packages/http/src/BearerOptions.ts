/**
 * What a client that attaches tokens is told, the same for `HttpClient` and for `fetch`.
 *
 * @since 0.1.0
 */
import type { Demand } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import type * as Duration from "effect/Duration"

/**
 * A request before it is sent, as far as decisions about it go.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** In upper case. */
  readonly method: string
  readonly url: URL
}

/**
 * Whose token goes where, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface BearerOptions {
  readonly tenant: TenantId
  /**
   * The origins that the token may be sent to, absolute: `https://api.example`. Where none are named, it is the origin
   * of the credential's `resource`; where that is unknown, too, every request is refused. What is no URL allows nothing.
   */
  readonly origins?: ReadonlyArray<string>
  /** What is wanted of the token before each request. */
  readonly demand?: Demand
  /**
   * How long sending may take until the head of the response is there: the request, its replay and what redirects lead
   * to, together. Asking for a token, and recovering from a rejected one, is not counted. No bound.
   */
  readonly timeout?: Duration.DurationInput
  /**
   * Requests that no caller waits for. They take the stored token and never refresh it: a rejected one is reported and the
   * 401 handed out. None.
   */
  readonly background?: boolean | ((target: Target) => boolean)
  /** How many redirects are followed; with 0 each is handed out. 20, as in the Fetch standard. */
  readonly maxRedirects?: number
  /** Whether a demand for more scope is raised as `InsufficientScope`, or its 403 handed out. Raised. */
  readonly stepUp?: "raise" | "respond"
}
