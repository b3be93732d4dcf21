/**
 * The one place that finds the client secret of a vendor whose secret is not ours to publish: the environment, then what
 * a person stored once. It is asked for at each use and never copied into a record, so that replacing it replaces it for
 * all logins.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { OAuthVendor } from "./OAuthVendor.js"
import { VendorSettings } from "./VendorSettings.js"
import * as VendorVariables from "./VendorVariables.js"

/**
 * Client secrets, by vendor.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientSecrets {
  /** `LOCKSTEP_<VENDOR>_CLIENT_SECRET`, then the vendor settings. */
  readonly find: (vendor: OAuthVendor) => Effect.Effect<Option.Option<Redacted.Redacted>, CredentialStoreError>
}

/**
 * Whether this vendor's client has a secret that a person must bring.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isNeeded = (vendor: OAuthVendor): boolean => Option.isSome(vendor.clientSecretSource)

/**
 * Says that a secret is missing, where a person finds it and where to put it.
 *
 * @since 0.1.0
 * @category getters
 */
export const missing = (vendor: OAuthVendor): { readonly message: string; readonly advice: string } => {
  const variable = VendorVariables.nameOf(vendor.id, "CLIENT_SECRET")
  const source = Option.match(vendor.clientSecretSource, {
    onNone: () => "ask the owner of the client for it",
    onSome: (where) => `find it in ${where}`
  })
  return {
    message: `${vendor.name} needs a client secret, which Lockstep does not ship`,
    advice: `${source}; then set ${variable}, or store it with \`lockstep vendors secret ${vendor.id} --from FILE\``
  }
}

/**
 * Makes a finder that asks environment and settings anew each time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ClientSecrets, never, VendorSettings> = Effect.gen(function*() {
  const settings = yield* VendorSettings
  const provider = yield* Effect.configProviderWith(Effect.succeed)
  return {
    find: (vendor) =>
      Effect.flatMap(
        VendorVariables.read(provider, [VendorVariables.nameOf(vendor.id, "CLIENT_SECRET")]),
        Option.match({
          onNone: () => settings.clientSecret(vendor.id),
          onSome: (secret) => Effect.succeedSome(Redacted.make(secret))
        })
      )
  }
})
