/**
 * Agreeing with a home before the first try of one of its locks.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import type { Home } from "../Home.js"
import { lockUnavailable } from "../internal/errno.js"

/**
 * Asks a home until it agrees. A home that may not be written is one whose locks may not be taken: `LockUnavailable`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const agreeOnce = (home: Pick<Home["Type"], "agree">): Effect.Effect<void, LockUnavailable> => {
  let agreed = false
  return Effect.suspend(() =>
    agreed ? Effect.void : Effect.tap(
      Effect.catchTag(home.agree, "CredentialStoreError", (error) =>
        error.reason === "Superseded"
          ? new LockUnavailable({
            reason: "OtherDomain",
            path: error.location,
            detail: error.message,
            remedy: error.advice
          })
          : error.remedy === undefined
          ? lockUnavailable(error.location, error.detail ?? error.reason)
          : new LockUnavailable({
            reason: "Permission",
            path: error.location,
            detail: error.detail ?? error.reason,
            remedy: error.remedy
          })),
      () => {
        agreed = true
      }
    )
  )
}
