/**
 * @since 0.1.0
 */
import * as VendorMatrix from "@lockstep/oauth/VendorMatrix"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as Effect from "effect/Effect"
import * as Output from "../terminal/Output.js"
import * as VendorsView from "../views/VendorsView.js"

/**
 * Shows whom one can log in to, and whom not.
 *
 * @since 0.1.0
 * @category commands
 */
export const run = (options: { readonly json: boolean }) =>
  Effect.gen(function*() {
    const rows = VendorMatrix.make(VendorRegistry.builtIn)
    if (options.json) return yield* Output.json(VendorsView.json(rows))
    const output = yield* Output.Output
    yield* output.data(VendorsView.text(rows, { style: output.dataStyle, columns: output.screen.columns }))
    yield* output.note(
      "\nLog in with `lockstep login VENDOR`, or at any other server with --issuer URL.\n" +
        "NEEDS terms: say --accept-terms; secret: see `lockstep vendors secret --help`.\n"
    )
  })
