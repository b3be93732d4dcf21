/**
 * That a keeper ends: what would go on for ever ends with it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * The end of a keeper.
 *
 * @since 0.1.0
 * @category services
 */
export class Ending extends Context.Tag("@lockstep/serve/Ending")<Ending, {
  /** Is done when nothing new is taken on any more. */
  readonly begun: Effect.Effect<void>
}>() {}
