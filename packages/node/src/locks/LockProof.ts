/**
 * Finding out that the aggregate lock cannot be taken before a refresh token is spent.
 *
 * @since 0.1.0
 */
import type { LockUnavailable } from "@lockstep/core/Errors"
import type { WriteOptions } from "@lockstep/core/WritableStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FileLock } from "./FileLock.js"
import { LockTarget } from "./LockTarget.js"

/**
 * Takes the aggregate lock and gives it back at once. A lock that another process holds is fine; one that cannot be taken at
 * all fails with `LockUnavailable`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const proveLock = (lock: FileLock["Type"], options?: WriteOptions): Effect.Effect<void, LockUnavailable> =>
  Effect.uninterruptible(Effect.flatMap(
    lock.tryAcquire(LockTarget.Aggregate(), options),
    Option.match({ onNone: () => Effect.void, onSome: (lease) => lease.release({ changed: true }) })
  ))
