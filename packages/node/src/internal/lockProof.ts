/**
 * Finding out that the aggregate lock cannot be taken before a refresh token is spent.
 */
import type { LockUnavailable } from "@lockstep/core/Errors"
import type { WriteOptions } from "@lockstep/core/WritableStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FileLock } from "../locks/FileLock.js"
import { LockTarget } from "../locks/LockTarget.js"

/** Taken and given back at once. Busy is fine. */
export const proveLock = (lock: FileLock["Type"], options?: WriteOptions): Effect.Effect<void, LockUnavailable> =>
  Effect.uninterruptible(Effect.flatMap(
    lock.tryAcquire(LockTarget.Aggregate(), options),
    Option.match({ onNone: () => Effect.void, onSome: (lease) => lease.release({ changed: true }) })
  ))
