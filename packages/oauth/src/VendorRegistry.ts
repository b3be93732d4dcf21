/**
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as OAuthVendor from "./OAuthVendor.js"
import { anthropic } from "./vendors/Anthropic.js"
import { antigravity } from "./vendors/Antigravity.js"
import { codex } from "./vendors/Codex.js"
import { copilot } from "./vendors/Copilot.js"
import { gemini } from "./vendors/Gemini.js"
import { kiro } from "./vendors/Kiro.js"
import { mimocode } from "./vendors/Mimocode.js"
import { xai } from "./vendors/Xai.js"

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
 * Makes a registry of the given vendors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (vendors: ReadonlyArray<OAuthVendor.OAuthVendor>): VendorRegistry["Type"] => {
  const byId = new Map(vendors.map((vendor) => [vendor.id, vendor]))
  const find = (id: string) => Option.fromNullable(byId.get(id))
  return VendorRegistry.of({
    all: vendors,
    find,
    of: (credential) => Option.getOrElse(Option.flatMap(credential.vendor, find), () => OAuthVendor.generic)
  })
}

/**
 * Knows the given vendors.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (vendors: ReadonlyArray<OAuthVendor.OAuthVendor>): Layer.Layer<VendorRegistry> =>
  Layer.sync(VendorRegistry, () => make(vendors))

/**
 * The vendors of this package, in the order in which they are shown; the generic one comes last.
 *
 * @since 0.1.0
 * @category constants
 */
export const builtIn: ReadonlyArray<OAuthVendor.OAuthVendor> = [
  codex,
  anthropic,
  xai,
  gemini,
  antigravity,
  copilot,
  kiro,
  mimocode,
  OAuthVendor.generic
]

/**
 * Knows the vendors of this package.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBuiltIn: Layer.Layer<VendorRegistry> = layer(builtIn)
