/**
 * Lockstep for programs that await: the same services, behind promises that reject with the typed errors themselves.
 *
 * ```ts
 * const runtime = ManagedRuntime.make(layer)
 * const lockstep = Lockstep.fromRuntime(runtime)
 * const transport = new StreamableHTTPClientTransport(url, await lockstep.mcp({ tenant: "mcp:linear", serverUrl: url }))
 * ```
 *
 * @since 0.1.0
 */
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as BearerFetch from "@lockstep/core/BearerFetch"
import { type Demand, RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
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
 * The services, behind promises.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lockstep {
  /** Answers with a usable access token, refreshing where the stored one is not usable. */
  readonly accessToken: (
    tenant: string,
    demand?: Demand & { readonly signal?: AbortSignal }
  ) => Promise<AccessToken>
  /** Answers with another access token than the one that a resource server rejected. */
  readonly recover: (
    tenant: string,
    rejected: string,
    demand?: Demand & { readonly signal?: AbortSignal }
  ) => Promise<AccessToken>
  /** Makes a `fetch` that sends fresh tokens. */
  readonly fetch: (options: For<BearerFetch.Options>) => Promise<BearerFetch.FetchLike>
  /** Makes the options of a transport of the MCP TypeScript SDK, of either line. */
  readonly mcp: (options: For<SdkTransport.Options>) => Promise<SdkTransport.SdkTransport>
}

/**
 * Makes the promises of a runtime.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRuntime = (runtime: Runtime): Lockstep => {
  const run = <A, E>(effect: Effect.Effect<A, E, Services>, signal?: AbortSignal): Promise<A> =>
    runtime.runPromiseExit(effect, signal === undefined ? {} : { signal }).then(settle)
  return {
    accessToken: (tenant, { signal, ...demand } = {}) =>
      run(Effect.flatMap(RefreshCoordinator, (one) => one.accessToken(TenantId.make(tenant), demand)), signal),
    recover: (tenant, rejected, { signal, ...demand } = {}) =>
      run(
        Effect.flatMap(
          RefreshCoordinator,
          (one) => one.recover(TenantId.make(tenant), Redacted.make(rejected), demand)
        ),
        signal
      ),
    fetch: ({ tenant, ...options }) =>
      run(Effect.suspend(() => BearerFetch.make({ ...options, tenant: TenantId.make(tenant) }))),
    mcp: ({ tenant, ...options }) =>
      run(Effect.suspend(() => SdkTransport.make({ ...options, tenant: TenantId.make(tenant) })))
  }
}
