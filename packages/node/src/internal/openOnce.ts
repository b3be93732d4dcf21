/**
 * Opening a home before the first try of one of its locks: that is where a first write begins.
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import type { Home } from "../Home.js"
import { lockUnavailable } from "./errno.js"

/** Opens until it succeeds. A home that may not be written is one whose locks may not be taken. */
export const openOnce = (home: Pick<Home["Type"], "open">): Effect.Effect<void, LockUnavailable> => {
  let opened = false
  return Effect.suspend(() =>
    opened ? Effect.void : Effect.tap(
      Effect.catchTag(home.open, "CredentialStoreError", (error) =>
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
        opened = true
      }
    )
  )
}
