/**
 * `fetch` for token requests. Node's own ignores proxy variables and keeps connections for reuse; a token must neither
 * bypass a proxy that somebody set up, nor be written to a kept connection that the server has just closed, which looks
 * like a lost answer.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Undici from "undici"

/**
 * The HTTP client cannot be used as things are set up.
 *
 * @since 0.1.0
 * @category errors
 */
export class NodeFetchUnavailable extends Data.TaggedError("NodeFetchUnavailable")<{ readonly detail: string }> {}

/**
 * The function like `fetch` that is handed out.
 *
 * @since 0.1.0
 * @category models
 */
export type NodeFetchFunction = (url: string, init: Undici.RequestInit) => Promise<Undici.Response>

/**
 * What {@link make} answers. `load` fails on a proxy address that is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeFetch {
  readonly load: Effect.Effect<NodeFetchFunction, NodeFetchUnavailable>
}

/**
 * Whether an address is one of this machine's own.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (url: string): boolean => LoopbackAddress.isLoopback(new URL(url).hostname)

/** Opens connections through `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as they are at that moment. */
const dispatcherFor = (undici: typeof Undici, url: string, options: Undici.Agent.Options = {}): Undici.Dispatcher =>
  // This machine is never reached through a proxy: plain http is allowed to it, and would leave it in the clear.
  isLoopback(url) ? new undici.Agent(options) : new undici.EnvHttpProxyAgent(options)

const send = (undici: typeof Undici): NodeFetchFunction => async (url, init) => {
  const dispatcher = dispatcherFor(undici, url)
  try {
    const response = await undici.fetch(url, { ...init, dispatcher })
    // Waits for the body, then closes the connection. What goes wrong meanwhile is told to the reader of the body.
    dispatcher.close().catch(() => undefined)
    return response
  } catch (cause) {
    dispatcher.destroy().catch(() => undefined)
    throw cause
  }
}

const loaded = Effect.tryPromise({
  try: () => import("undici"),
  catch: () => new NodeFetchUnavailable({ detail: "the HTTP client undici cannot be loaded" })
})

const tryWith = <A>(make: () => A): Effect.Effect<A, NodeFetchUnavailable> =>
  Effect.try({
    try: make,
    // The address may hold a password, and the error quotes it.
    catch: () => new NodeFetchUnavailable({ detail: "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy" })
  })

/**
 * Makes a `fetch` that honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (`NODE_EXTRA_CA_CERTS` is Node's own doing) and
 * gives every request a connection of its own. undici is loaded by the first `load`, since it costs start-up time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<NodeFetch> = Effect.succeed({
  load: Effect.flatMap(loaded, (undici) =>
    tryWith(() => {
      void new undici.EnvHttpProxyAgent().close()
      return send(undici)
    }))
})

/**
 * Opens connections to one place and keeps them for further requests until the scope ends; through the same proxies.
 *
 * @since 0.1.0
 * @category constructors
 */
export const dispatcher = (
  url: string,
  options: Undici.Agent.Options
): Effect.Effect<Undici.Dispatcher, NodeFetchUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.flatMap(loaded, (undici) => tryWith(() => dispatcherFor(undici, url, options))),
    (made) => Effect.promise(() => made.destroy().catch(() => undefined))
  )

/**
 * Makes a `fetch` for one place that keeps its connections for further requests until the scope ends; through the same
 * proxies.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pooled = (
  url: string,
  options: Undici.Agent.Options
): Effect.Effect<NodeFetchFunction, NodeFetchUnavailable, Scope.Scope> =>
  Effect.flatMap(
    loaded,
    (undici) =>
      Effect.map(dispatcher(url, options), (kept) => (target, init) =>
        undici.fetch(target, { ...init, dispatcher: kept }))
  )
