/**
 * The way out to the network. What is asked of it is the small part of the Fetch standard that a token request needs,
 * so that the global `fetch`, undici's, and one with proxies or extra certificates all fit.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * One request. Redirects are never followed: the body holds a token that belongs to one address only.
 *
 * @since 0.1.0
 * @category models
 */
export interface FetchInit {
  readonly method: string
  readonly headers: Record<string, string>
  /**
   * A stream, so that it can be read once only: the Fetch standard sends a request again, unasked, after a 421. The
   * headers tell its length.
   */
  readonly body?: ReadableStream<Uint8Array>
  readonly duplex: "half"
  readonly redirect: "manual"
  readonly signal: AbortSignal
}

/**
 * The part of a response that is read.
 *
 * @since 0.1.0
 * @category models
 */
export interface FetchResponse {
  readonly status: number
  readonly headers: { readonly get: (name: string) => string | null }
  readonly body: {
    readonly getReader: () => {
      readonly read: () => Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
    }
  } | null
}

/**
 * Sends one request, on a connection that no other request uses.
 *
 * @since 0.1.0
 * @category models
 */
export type FetchFunction = (url: string, init: FetchInit) => Promise<FetchResponse>

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
