/**
 * A lock that excludes the other processes of this machine.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Takes the lock for the rest of the scope, waiting for it in the lock's own way.
 *
 * @since 0.1.0
 * @category models
 */
export type Acquire = Effect.Effect<void, unknown, Scope.Scope>

/**
 * A lock that excludes the other processes of this machine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mutex {
  readonly name: string
  /** For people: what it is, its version, and what it waits by. */
  readonly label: string
  /** Loads what it needs, and names the lock below this directory. */
  readonly open: (home: string) => Effect.Effect<Acquire, unknown, Scope.Scope>
}
