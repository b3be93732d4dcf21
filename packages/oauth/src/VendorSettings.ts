/**
 * What a person settled about vendors: client secrets that are not ours to publish, and terms whose risk was accepted.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"

/**
 * Settings about vendors, by vendor id and tenant.
 *
 * @since 0.1.0
 * @category services
 */
export class VendorSettings extends Context.Tag("@lockstep/oauth/VendorSettings")<VendorSettings, {
  /** The stored client secret of a vendor. The environment is not asked here. */
  readonly clientSecret: (vendor: string) => Effect.Effect<Option.Option<Redacted.Redacted>, CredentialStoreError>

  readonly setClientSecret: (
    vendor: string,
    secret: Redacted.Redacted
  ) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>

  /** Whether a person accepted the risk of this vendor's terms for this tenant. */
  readonly hasAcceptedTerms: (tenant: TenantId, vendor: string) => Effect.Effect<boolean, CredentialStoreError>

  readonly acceptTerms: (
    tenant: TenantId,
    vendor: string
  ) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>
}>() {}

/**
 * Settings that live as long as the layer. Where only the environment names secrets, nothing else is needed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<VendorSettings> = Layer.sync(VendorSettings, () => {
  const secrets = new Map<string, Redacted.Redacted>()
  const accepted = new Set<string>()
  return VendorSettings.of({
    clientSecret: (vendor) => Effect.sync(() => Option.fromNullable(secrets.get(vendor))),
    setClientSecret: (vendor, secret) => Effect.sync(() => void secrets.set(vendor, secret)),
    hasAcceptedTerms: (tenant, vendor) => Effect.sync(() => accepted.has(`${vendor} ${tenant}`)),
    acceptTerms: (tenant, vendor) => Effect.sync(() => void accepted.add(`${vendor} ${tenant}`))
  })
})
