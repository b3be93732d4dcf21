/**
 * Finding out that the aggregate lock cannot be taken before a refresh token is spent.
 */
import { type CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import type { LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** Taken and given back at once. Busy is fine. */
export const proveLock = (lock: CredentialLock["Type"]): Effect.Effect<void, LockUnavailable> =>
  Effect.uninterruptible(Effect.flatMap(
    lock.tryAcquire(LockTarget.Aggregate()),
    Option.match({ onNone: () => Effect.void, onSome: (lease) => lease.release({ changed: true }) })
  ))
