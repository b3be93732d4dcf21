/**
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as OAuthVendor from "./OAuthVendor.js"
import { anthropic } from "./vendors/Anthropic.js"
import { codex } from "./vendors/Codex.js"

/**
 * Knows every vendor.
 *
 * @since 0.1.0
 * @category services
 */
export class VendorRegistry extends Context.Tag("@lockstep/oauth/VendorRegistry")<VendorRegistry, {
  readonly all: ReadonlyArray<OAuthVendor.OAuthVendor>
  /** Whose record this is; one that names no vendor, or an unknown one, is spoken to as RFC 6749 says. */
  readonly of: (credential: Credential) => OAuthVendor.OAuthVendor
  readonly find: (id: string) => Option.Option<OAuthVendor.OAuthVendor>
}>() {}

/**
 * Knows the given vendors.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (vendors: ReadonlyArray<OAuthVendor.OAuthVendor>): Layer.Layer<VendorRegistry> => {
  const byId = new Map(vendors.map((vendor) => [vendor.id, vendor]))
  const find = (id: string) => Option.fromNullable(byId.get(id))
  return Layer.succeed(VendorRegistry, {
    all: vendors,
    find,
    of: (credential) => Option.getOrElse(Option.flatMap(credential.vendor, find), () => OAuthVendor.generic)
  })
}

/**
 * Knows the vendors of this package.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBuiltIn: Layer.Layer<VendorRegistry> = layer([codex, anthropic, OAuthVendor.generic])
