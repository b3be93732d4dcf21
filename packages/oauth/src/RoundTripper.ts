/**
 * The way out to the network.
 *
 * @since 0.1.0
 */
import type * as RoundTrip from "@lockstep/core/RoundTrip"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * Hands out what sends one request on a connection of its own.
 *
 * @since 0.1.0
 * @category services
 */
export class RoundTripper extends Context.Tag("@lockstep/oauth/RoundTripper")<RoundTripper, {
  /**
   * Loads what sending needs and checks its settings. It runs before a token is spent, so that neither a missing module
   * nor a malformed proxy address can be mistaken for a lost answer. `detail` is fit for a message.
   */
  readonly load: Effect.Effect<RoundTrip.RoundTripper, { readonly detail: string }>
}>() {}
