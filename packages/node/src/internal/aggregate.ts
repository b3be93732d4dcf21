/**
 * One read-modify-write of a file of the home, while no other process writes any.
 */
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { WriteOptions } from "@lockstep/core/WritableStore"
import * as Effect from "effect/Effect"
import { Home } from "../Home.js"
import { FileLock } from "../locks/FileLock.js"
import { LockTarget } from "../locks/LockTarget.js"

/** What a step under the aggregate lock can fail with beside its own. */
export type ExclusiveError = CredentialStoreError | LockTimeout | LockUnavailable

/**
 * Runs a step under the aggregate lock. The wait for the lock can be interrupted, the step cannot. `label` is what errors
 * call the lock; a lock that the caller holds already and that serves writes, too, is entered within its lease.
 */
export type Exclusively = <A, E>(
  label: string,
  step: (held: LockWait.HeldLock) => Effect.Effect<A, E>,
  options?: WriteOptions
) => Effect.Effect<A, E | ExclusiveError>

export const make: Effect.Effect<Exclusively, never, Home | FileLock | RefreshPolicy> = Effect.gen(function*() {
  const home = yield* Home
  const lock = yield* FileLock
  const policy = yield* RefreshPolicy
  return (label, step, options = {}) =>
    home.open.pipe(
      Effect.zipRight(
        LockWait.acquire(lock, LockTarget.Aggregate(), { ...options, timeout: policy.aggregateLockTimeout, label })
      ),
      // Again, now that no process can move the store any more: it may have moved while this process waited.
      Effect.flatMap((held) => Effect.uninterruptible(Effect.zipRight(home.check, step(held)))),
      Effect.scoped
    )
})
