/**
 * Gemini CLI's client at Google: `google-gemini/gemini-cli packages/core/src/code_assist/oauth2.ts`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Google from "./Google.js"
import type * as VendorEmulator from "./VendorEmulator.js"

const PAGE = "https://codeassist.google.com/authcode"

/**
 * Starts the vendor.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: VendorEmulator.Options = {}
): Effect.Effect<VendorEmulator.VendorEmulator, never, Scope.Scope> =>
  Google.make({
    clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
    redirectUri: (uri) =>
      uri === PAGE || (typeof uri === "string" && /^http:\/\/127\.0\.0\.1:\d+\/oauth2callback$/.test(uri)),
    scopes: [
      "https://www.googleapis.com/auth/cloud-platform",
      "https://www.googleapis.com/auth/userinfo.email",
      "https://www.googleapis.com/auth/userinfo.profile"
    ],
    authorize: { access_type: "offline" }
  }, options)
