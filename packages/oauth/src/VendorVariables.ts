/**
 * What the environment says about a vendor's client: `LOCKSTEP_<VENDOR>_CLIENT_ID` and `LOCKSTEP_<VENDOR>_CLIENT_SECRET`,
 * and the variables of the vendor's own.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SourceVariables from "./SourceVariables.js"

/**
 * Names a variable of this vendor: `LOCKSTEP_XAI_OAUTH_CLIENT_ID`.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (vendor: string, what: "CLIENT_ID" | "CLIENT_SECRET"): string =>
  `LOCKSTEP_${vendor.toUpperCase().replace(/[^A-Z0-9]/g, "_")}_${what}`

/**
 * Reads the first of some variables that is set. A provider that does not answer counts as having no variable set.
 *
 * @since 0.1.0
 * @category getters
 */
export const read = (
  provider: ConfigProvider.ConfigProvider,
  names: ReadonlyArray<string>
): Effect.Effect<Option.Option<string>> =>
  Effect.map(
    Effect.forEach(names, (name) => Effect.option(provider.load(Config.string(name)))),
    (values) => Option.firstSomeOf(values.map(Option.filter(SourceVariables.isSet)))
  )
