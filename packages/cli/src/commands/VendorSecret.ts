/**
 * @since 0.1.0
 */
import { NativeHome } from "@lockstep/node/stores/ResolvedHome"
import * as ClientSecrets from "@lockstep/oauth/ClientSecrets"
import { VendorRegistry } from "@lockstep/oauth/VendorRegistry"
import { VendorSettings } from "@lockstep/oauth/VendorSettings"
import * as VendorVariables from "@lockstep/oauth/VendorVariables"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"
import * as Output from "../terminal/Output.js"
import * as SecretInput from "../terminal/SecretInput.js"
import * as Style from "../terminal/Style.js"

/**
 * What `lockstep vendors secret` was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly vendor: string
  /** A path, or `-`. */
  readonly from: string
  readonly json: boolean
}

/**
 * Stores the client secret of a vendor, and does not show it.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: Options) =>
  Effect.gen(function*() {
    const registry = yield* VendorRegistry
    const settings = yield* VendorSettings
    const { home } = yield* NativeHome
    const vendor = Option.filter(registry.find(options.vendor), ClientSecrets.isNeeded)
    if (Option.isNone(vendor)) {
      const known = registry.all.filter(ClientSecrets.isNeeded).map(({ id }) => id)
      return yield* new UsageError({
        reason: "Arguments",
        message: "no vendor of that name needs a client secret",
        advice: `name one of ${known.join(", ")}`
      })
    }
    const { id } = vendor.value
    yield* settings.setClientSecret(id, yield* SecretInput.read(options.from, "the client secret"))
    const variable = VendorVariables.nameOf(id, "CLIENT_SECRET")
    if ((process.env[variable] ?? "") !== "") yield* Output.warn(`${variable} is set and comes before what was stored`)
    yield* options.json
      ? Output.json({ vendor: id, stored: true, home: home.directory })
      : Output.line(`${id} client secret stored in ${Style.printable(home.directory)}; every login of ${id} uses it`)
  })
