/**
 * The way out to the network.
 *
 * @since 0.1.0
 */
import type { FetchFunction } from "@lockstep/core/FetchFunction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Hands out a function like `fetch`.
 *
 * @since 0.1.0
 * @category services
 */
export class Fetch extends Context.Tag("@lockstep/oauth/Fetch")<Fetch, {
  /**
   * Loads what sending needs and checks its settings. It runs before a token is spent, so that neither a missing module
   * nor a malformed proxy address can be mistaken for a lost answer. `detail` is fit for a message.
   */
  readonly load: Effect.Effect<FetchFunction, { readonly detail: string }>
}>() {}

/**
 * Sends through a given function.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (fetch: FetchFunction): Layer.Layer<Fetch> => Layer.succeed(Fetch, { load: Effect.succeed(fetch) })

/**
 * Sends through the global `fetch`, which ignores proxy variables, and asks the server to close each connection.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerGlobal: Layer.Layer<Fetch> = layer((url, init) =>
  globalThis.fetch(url, { ...init, headers: { ...init.headers, connection: "close" } })
)
