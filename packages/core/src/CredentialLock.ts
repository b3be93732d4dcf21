/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { LockHolder, LockUnavailable } from "./Errors.js"
import * as Listeners from "./internal/listeners.js"
import type { TenantId } from "./TenantId.js"

/**
 * What a lock serialises.
 *
 * `RotationGroup` covers logins that revoke each other (same issuer and client id). `Tenant` spans re-read, redeem and
 * persist of one credential. They are taken in this order, several of a kind in byte order; a store that has a lock for
 * its writes takes that one last.
 *
 * @since 0.1.0
 * @category models
 */
export type LockTarget = Data.TaggedEnum<{
  RotationGroup: { readonly group: string }
  Tenant: { readonly tenant: TenantId }
}>

/**
 * Constructors of {@link LockTarget}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const LockTarget = Data.taggedEnum<LockTarget>()

/**
 * A lock that is held.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  /**
   * Names the lock that another process took away since, where a lock can be taken away from a holder that did not run
   * for too long: what was decided under it may be outdated.
   */
  readonly lost: Effect.Effect<Option.Option<string>>
  /** Gives it back. A holder that changed nothing says so, and its waiters are woken all the same. */
  readonly release: (options: { readonly changed: boolean }) => Effect.Effect<void>
}

/**
 * Excludes every other process that locks the same thing. Dies with its holder.
 *
 * @since 0.1.0
 * @category services
 */
export class CredentialLock extends Context.Tag("@lockstep/core/CredentialLock")<CredentialLock, {
  /**
   * The lock plan: the names of the locks that a target stands for, in the order in which they are taken. A lock that
   * appears in the plans of two targets is taken once.
   */
  readonly plan: (target: LockTarget) => ReadonlyArray<string>

  /** Tries once, without waiting. Contention is `None`, a value; only a lock that cannot work is an error. */
  readonly tryAcquire: (target: LockTarget) => Effect.Effect<Option.Option<Lease>, LockUnavailable>

  /** Finds out which process holds it, as far as the system tells; never tries the lock. */
  readonly holder: (target: LockTarget) => Effect.Effect<Option.Option<LockHolder>>

  /**
   * Calls back, outside of any fiber, when a lock seems to be free, also by the death of its holder, and soon after the
   * beginning where it is free by then. Hints may be missing, so a waiter tries again after `backoff` without one.
   * Returns how to end it.
   */
  readonly listen: (target: LockTarget, hint: () => void) => () => void

  /** Bounds of the jittered wait between two tries that no hint cuts short. Milliseconds. */
  readonly backoff: { readonly min: number; readonly max: number }
}>() {}

const name = LockTarget.$match({
  RotationGroup: ({ group }) => `group ${group}`,
  Tenant: ({ tenant }) => `tenant ${tenant}`
})

/**
 * Makes a lock that excludes within this process. Two coordinators that are given the same one behave like two
 * processes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory: Effect.Effect<CredentialLock["Type"]> = Effect.sync(() => {
  const held = new Set<string>()
  const listeners = Listeners.make()
  return CredentialLock.of({
    plan: (target) => [name(target)],
    tryAcquire: (target) =>
      Effect.sync(() => {
        const key = name(target)
        if (held.has(key)) return Option.none()
        held.add(key)
        let released = false
        return Option.some<Lease>({
          lost: Effect.succeedNone,
          release: () =>
            Effect.suspend(() => {
              // A second release must not free the lock of the next holder.
              if (released) return Effect.void
              released = true
              held.delete(key)
              listeners.call()
              return Effect.void
            })
        })
      }),
    holder: () => Effect.succeedNone,
    listen: (target, hint) => {
      const end = listeners.add(hint)
      if (!held.has(name(target))) hint()
      return end
    },
    backoff: { min: 1_000, max: 1_000 }
  })
})

/**
 * A lock that excludes within this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<CredentialLock> = Layer.effect(CredentialLock, makeMemory)
