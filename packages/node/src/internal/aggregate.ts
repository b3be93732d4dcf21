/**
 * One read-modify-write of a file of the home, while nobody else writes any.
 */
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import * as LockWait from "@lockstep/core/LockWait"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Effect from "effect/Effect"
import { Home } from "../Home.js"

/** What a step under the aggregate lock can fail with beside its own. */
export type ExclusiveError = CredentialStoreError | LockTimeout | LockUnavailable

/**
 * Runs a step under the aggregate lock. The wait for the lock can be interrupted, the step cannot. `label` is what errors
 * call the lock.
 */
export type Exclusively = <A, E>(
  label: string,
  step: (held: LockWait.HeldLock) => Effect.Effect<A, E>
) => Effect.Effect<A, E | ExclusiveError>

export const make: Effect.Effect<Exclusively, never, Home | CredentialLock | RefreshPolicy> = Effect.gen(function*() {
  const home = yield* Home
  const lock = yield* CredentialLock
  const policy = yield* RefreshPolicy
  return (label, step) =>
    home.open.pipe(
      Effect.zipRight(LockWait.acquire(lock, LockTarget.Aggregate(), { timeout: policy.aggregateLockTimeout, label })),
      // Again, now that nobody can move the store any more: it may have moved while this process waited.
      Effect.flatMap((held) => Effect.uninterruptible(Effect.zipRight(home.check, step(held)))),
      Effect.scoped
    )
})
