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
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { EnvironmentVariable } from "./OAuthVendor.js"

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
