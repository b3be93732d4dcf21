/**
 * What a service of this process is doing with tenants at this moment: for a program that must know whether it may be
 * stopped, and what a person waits for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TenantId } from "./TenantId.js"

/**
 * One act for whose sake a tenant is held.
 *
 * @since 0.1.0
 * @category models
 */
export interface Act {
  readonly tenant: TenantId
  readonly act: "refresh" | "login" | "logout"
  /** Whether something was sent that is good once: it must be waited for. */
  readonly isSpent: boolean
}

/**
 * The acts of a service that hold a tenant.
 *
 * @since 0.1.0
 * @category models
 */
export interface UnderWay {
  readonly acts: () => ReadonlyArray<Act>
  /** Calls back once, as soon as no tenant is held: at once if so, else after the last lock was released. */
  readonly whenIdle: (callback: () => void) => void
}

/**
 * Watches several services as one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const all = (several: ReadonlyArray<UnderWay>): UnderWay => ({
  acts: () => several.flatMap((one) => one.acts()),
  whenIdle: (callback) => {
    const next = (): void => {
      const busy = several.find((one) => one.acts().length > 0)
      return busy === undefined ? callback() : busy.whenIdle(next)
    }
    next()
  }
})

/**
 * An act that has not taken its tenant yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly held: Effect.Effect<void>
  readonly spent: Effect.Effect<void>
}

/**
 * The list that a service keeps of its acts.
 *
 * @since 0.1.0
 * @category models
 */
export interface Register extends UnderWay {
  /** Enters an act for the rest of the scope. Entered before the tenant is taken, it leaves after its release. */
  readonly enter: (tenant: TenantId, act: Act["act"]) => Effect.Effect<Entry, never, Scope.Scope>
}

/**
 * Makes an empty list.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Register => {
  const acts = new Set<{ -readonly [Member in keyof Act]: Act[Member] }>()
  let waiting: Array<() => void> = []
  return {
    acts: () => [...acts],
    whenIdle: (callback) => acts.size === 0 ? callback() : void waiting.push(callback),
    // Nothing is listed before it is held: until the finalizer is there, nothing has to leave.
    enter: (tenant, act) =>
      Effect.suspend(() => {
        const one = { tenant, act, isSpent: false }
        const leave = Effect.sync(() => {
          if (!acts.delete(one) || acts.size > 0) return
          const callbacks = waiting
          waiting = []
          for (const callback of callbacks) callback()
        })
        return Effect.as(Effect.addFinalizer(() => leave), {
          held: Effect.sync(() => void acts.add(one)),
          spent: Effect.sync(() => {
            one.isSpent = true
          })
        })
      })
  }
}
