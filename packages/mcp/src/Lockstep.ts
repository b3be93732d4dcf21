/**
 * The transport's options for programs that await: the same services, behind a promise.
 *
 * ```ts
 * const runtime = ManagedRuntime.make(layer)
 * const lockstep = Lockstep.fromRuntime(runtime)
 * const transport = new StreamableHTTPClientTransport(url, await lockstep.mcp({ tenant: "mcp:linear", serverUrl: url }))
 * ```
 *
 * For programs that have a runtime of Effect's anyway. The package `lockstep` needs none, and does the rest as well: its
 * `open()` answers with `accessToken`, `recover`, `fetch`, `login` and this `mcp`.
 *
 * @since 0.1.0
 */
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { settle } from "./internal/promise.js"
import type { Services } from "./OAuthClientProvider.js"
import * as SdkTransport from "./SdkTransport.js"

/**
 * What runs the effects: a `ManagedRuntime`, or something like one. Its maker closes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Runtime {
  readonly runPromiseExit: <A, E>(
    effect: Effect.Effect<A, E, Services>,
    options?: { readonly signal?: AbortSignal }
  ) => Promise<Exit.Exit<A, unknown>>
}

/**
 * Options with the tenant as text.
 *
 * @since 0.1.0
 * @category models
 */
export type For<Options> = Omit<Options, "tenant"> & { readonly tenant: string }

/**
 * What a runtime makes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lockstep {
  /** Makes the options of a transport of the MCP TypeScript SDK, of either line. */
  readonly mcp: (options: For<SdkTransport.Options>) => Promise<SdkTransport.SdkTransport>
}

/**
 * Makes the promises of a runtime.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRuntime = (runtime: Runtime): Lockstep => ({
  mcp: ({ tenant, ...options }) =>
    runtime.runPromiseExit(
      Effect.suspend(() => SdkTransport.make({ ...options, tenant: TenantId.make(tenant) }))
    ).then(settle)
})
