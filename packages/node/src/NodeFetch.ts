/**
 * Requests that stream, and those that keep their connections for further ones: undici's, through the same proxies and with
 * the same authorities as those of {@link NodeRoundTripper}. Nothing else loads undici.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Undici from "undici"
import { isLoopback } from "./network/ProxyEnvironment.js"
import * as TrustedAuthorities from "./network/TrustedAuthorities.js"

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

interface Loaded {
  readonly undici: typeof Undici
  readonly ca: Array<string> | undefined
}

/** Opens connections through `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, as they are at that moment. */
const dispatcherFor = ({ ca, undici }: Loaded, url: string, options: Undici.Agent.Options = {}): Undici.Dispatcher => {
  const trusting = ca === undefined ? options : { ...options, connect: { ca } }
  // This machine is never reached through a proxy: plain http is allowed to it, and would leave it in the clear.
  return isLoopback(url)
    ? new undici.Agent(trusting)
    : new undici.EnvHttpProxyAgent(ca === undefined ? options : { ...trusting, requestTls: { ca }, proxyTls: { ca } })
}

const loaded: Effect.Effect<Loaded, NodeFetchUnavailable> = Effect.tryPromise({
  try: async () => {
    const [undici, tls] = await Promise.all([import("undici"), import("node:tls")])
    return { undici, ca: TrustedAuthorities.read(process.env, tls) }
  },
  catch: () => new NodeFetchUnavailable({ detail: "the HTTP client undici cannot be loaded" })
})

const tryWith = <A>(make: () => A): Effect.Effect<A, NodeFetchUnavailable> =>
  Effect.try({
    try: make,
    // The address may hold a password, and the error quotes it.
    catch: () => new NodeFetchUnavailable({ detail: "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy" })
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
    Effect.flatMap(loaded, (all) => tryWith(() => dispatcherFor(all, url, options))),
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
    ({ undici }) =>
      Effect.map(dispatcher(url, options), (kept) => (target, init) =>
        undici.fetch(target, { ...init, dispatcher: kept }))
  )
