/**
 * Where a token comes from: the variables that a vendor's descriptor lists, in its order, then the stored login.
 *
 * Variables count for a vendor's default tenant only. A profile, an `mcp:` tenant or a tenant of another name never
 * reads them.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { EnvironmentVariable } from "./OAuthVendor.js"
import { VendorRegistry } from "./VendorRegistry.js"
import * as VendorVariables from "./VendorVariables.js"

/**
 * A variable that is set, and what it holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface EnvironmentSource extends EnvironmentVariable {
  readonly token: Redacted.Redacted
}

/**
 * Finds the variables that are set for a tenant.
 *
 * @since 0.1.0
 * @category services
 */
export class CredentialSources extends Context.Tag("@lockstep/oauth/CredentialSources")<CredentialSources, {
  /** In the order in which they win; all but the first are shadowed, and so is the stored login behind them. */
  readonly environment: (tenant: TenantId) => Effect.Effect<ReadonlyArray<EnvironmentSource>>
  /** The variables that are looked at, set or not. */
  readonly variables: (tenant: TenantId) => ReadonlyArray<EnvironmentVariable>
}>() {}

/**
 * Makes a finder that asks the environment anew each time. A variable of nothing but white space is not set.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<CredentialSources["Type"], never, VendorRegistry> = Effect.gen(function*() {
  const vendors = yield* VendorRegistry
  const provider = yield* Effect.configProviderWith(Effect.succeed)

  const variables = (tenant: TenantId): ReadonlyArray<EnvironmentVariable> =>
    Option.match(vendors.find(tenant), { onNone: () => [], onSome: ({ environment }) => environment })

  return CredentialSources.of({
    variables,
    environment: (tenant) =>
      Effect.map(
        Effect.forEach(variables(tenant), (variable) =>
          Effect.map(
            VendorVariables.read(provider, [variable.name]),
            Option.map((value): EnvironmentSource => ({ ...variable, token: Redacted.make(value) }))
          )),
        (found) => found.flatMap(Option.toArray)
      )
  })
})

/**
 * Finds the variables of the vendors of a registry.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CredentialSources, never, VendorRegistry> = Layer.effect(CredentialSources, make)
