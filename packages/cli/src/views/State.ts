/**
 * How a login stands, in the words of the table and of `status --json`. The verdict is the core's; nothing is judged here.
 *
 * @since 0.1.0
 */
import type { ReauthorizationRequired } from "@lockstep/core/Errors"
import * as Verdict from "@lockstep/core/Verdict"
import * as Option from "effect/Option"

/**
 * In one word.
 *
 * @since 0.1.0
 * @category models
 */
export type State = "fresh" | "expiring" | "expired" | "refreshing" | "cooldown" | "needs_login"

/**
 * What is worded.
 *
 * @since 0.1.0
 * @category models
 */
export interface Judged {
  /** What the access token is worth to a caller that demands nothing special. */
  readonly access: Verdict.Access
  /** What the next refresh runs into, whatever the access token is worth. */
  readonly refresh: Verdict.Next
  /** Whether a process holds the tenant. */
  readonly isHeld: boolean
}

/**
 * Names the state. A token that can be served is never called a login that needs a person: `lockstep token` serves it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = ({ access, isHeld, refresh }: Judged): State => {
  if (access === "Fresh") return "fresh"
  if (isHeld) return "refreshing"
  if (access === "InsideMargin") return "expiring"
  if (Verdict.hasEnded(refresh)) return "needs_login"
  return refresh._tag === "Wait" ? "cooldown" : "expired"
}

/**
 * The reason for which the next refresh needs a person. A token that never expires needs none, though nothing renews it.
 *
 * @since 0.1.0
 * @category getters
 */
export const loginReason = (
  { access, refresh }: Judged,
  expiresAt: Option.Option<number>
): Option.Option<ReauthorizationRequired["reason"]> =>
  refresh._tag !== "Login" ||
    (refresh.reason === "NoRefreshToken" && access !== "Ended" && Option.isNone(expiresAt))
    ? Option.none()
    : Option.some(refresh.reason)

/**
 * When the next refresh may be sent, in milliseconds since the epoch, where it has to wait.
 *
 * @since 0.1.0
 * @category getters
 */
export const waitsUntil = ({ refresh }: Judged): Option.Option<number> =>
  refresh._tag === "Wait" ? Option.some(refresh.until) : Option.none()
