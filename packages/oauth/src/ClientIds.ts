/**
 * Finds the client that speaks to a server, where neither a record nor a person named one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { OAuthVendor } from "./OAuthVendor.js"
import * as VendorVariables from "./VendorVariables.js"

/**
 * Client ids, by vendor.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientIds {
  /** `LOCKSTEP_<VENDOR>_CLIENT_ID`, then the vendor's own variables, then the descriptor. */
  readonly find: (vendor: OAuthVendor) => Effect.Effect<Option.Option<string>>
  /** `LOCKSTEP_CLIENT_METADATA_URL`: the address of a client id metadata document, which is a client id itself. */
  readonly document: Effect.Effect<Option.Option<string>>
}

const DOCUMENT = "LOCKSTEP_CLIENT_METADATA_URL"

/**
 * Makes a finder that asks the environment anew each time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ClientIds> = Effect.configProviderWith((provider) =>
  Effect.succeed({
    find: (vendor) =>
      Effect.map(
        VendorVariables.read(provider, [
          VendorVariables.nameOf(vendor.id, "CLIENT_ID"),
          ...vendor.clientIdVariables
        ]),
        Option.orElse(() => vendor.clientId)
      ),
    document: VendorVariables.read(provider, [DOCUMENT])
  })
)
