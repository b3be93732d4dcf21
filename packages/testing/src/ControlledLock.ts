/**
 * A lock in memory that a test holds, names the holder of, and tears out of a holder's hands as the kernel does when a
 * process dies.
 *
 * @since 0.1.0
 */
import { CredentialLock, type Lease, type LockTarget } from "@lockstep/core/CredentialLock"
import type { LockHolder, LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"

/**
 * The lock and what a test may do to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ControlledLock {
  readonly service: CredentialLock["Type"]
  /** Takes a lock on behalf of a process outside of the test. It must be free. */
  readonly seize: (target: LockTarget) => void
  /** Frees a lock of any holder; what the dead holder releases later frees nothing. Wakes the waiters. */
  readonly kill: (target: LockTarget) => Effect.Effect<void>
  readonly isHeld: (target: LockTarget) => boolean
  /** Takes one element per try that found the lock held. */
  readonly busy: Queue.Dequeue<void>
  /** How often a lock was taken, `seize` not counted. */
  readonly taken: () => number
  /** Who holds it, for as long as that is not changed. */
  holder: Option.Option<LockHolder>
  /** What every try answers in place of trying, until changed. */
  fault: Effect.Effect<void, LockUnavailable>
}

const nameOf = (target: LockTarget): string => {
  switch (target._tag) {
    case "RotationGroup":
      return `group ${target.group}`
    case "Tenant":
      return `tenant ${target.tenant}`
  }
}

/**
 * Makes a lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ControlledLock> = Effect.gen(function*() {
  const held = new Map<string, symbol>()
  const listeners = new Set<{ readonly hint: () => void }>()
  const busy = yield* Queue.unbounded<void>()
  let taken = 0

  const free = (name: string, owner: symbol | undefined): Effect.Effect<void> =>
    Effect.sync(() => {
      if (owner !== undefined && held.get(name) !== owner) return
      held.delete(name)
      for (const { hint } of listeners) hint()
    })

  const self: ControlledLock = {
    service: CredentialLock.of({
      plan: (target) => [nameOf(target)],
      tryAcquire: (target) =>
        Effect.zipRight(
          Effect.suspend(() => self.fault),
          Effect.sync(() => {
            const name = nameOf(target)
            if (held.has(name)) {
              busy.unsafeOffer(undefined)
              return Option.none()
            }
            const owner = Symbol(name)
            held.set(name, owner)
            taken++
            return Option.some<Lease>({ lost: Effect.succeedNone, release: () => free(name, owner) })
          })
        ),
      holder: () => Effect.sync(() => self.holder),
      listen: (target, hint) => {
        const listener = { hint }
        listeners.add(listener)
        if (!held.has(nameOf(target))) hint()
        return () => void listeners.delete(listener)
      },
      backoff: { min: 1_000, max: 1_000 }
    }),
    seize: (target) => void held.set(nameOf(target), Symbol("outside")),
    kill: (target) => free(nameOf(target), undefined),
    busy,
    isHeld: (target) => held.has(nameOf(target)),
    taken: () => taken,
    holder: Option.none(),
    fault: Effect.void
  }
  return self
})
