/**
 * The Google login of the Gemini CLI. Facts as read in google-gemini/gemini-cli, not promised by Google:
 *
 * - client, scopes, redirect and the page for a pasted code: `packages/core/src/code_assist/oauth2.ts`
 * - switched off for individuals since 2026-06-18: issues 28229, 28745 and 29279
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as OAuthVendor from "../OAuthVendor.js"
import * as SourceVariables from "../SourceVariables.js"
import * as Google from "./Google.js"

/**
 * Gemini: any free port, a page of Google's for a pasted code. The vendor's own client uses PKCE for the page only; here
 * it is always used. `GOOGLE_CLOUD_ACCESS_TOKEN` is not among the variables: alone it means nothing to the vendor's client.
 *
 * @since 0.1.0
 * @category vendors
 */
export const gemini: OAuthVendor.OAuthVendor = OAuthVendor.make({
  ...Google.google,
  id: "gemini",
  name: "Gemini CLI (Google login)",
  clientId: Option.some("681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com"),
  clientSecretSource: Option.some(
    "`packages/core/src/code_assist/oauth2.ts` of google-gemini/gemini-cli (`OAUTH_CLIENT_SECRET`)"
  ),
  methods: ["browser", "paste"],
  redirect: {
    host: "127.0.0.1",
    ports: [0],
    path: "/oauth2callback",
    page: Option.some("https://codeassist.google.com/authcode")
  },
  scopes: Google.scopes,
  authorizeParameters: { access_type: "offline" },
  environment: SourceVariables.of("gemini"),
  terms: Google.terms(
    "; since 2026-06-18 it serves Code Assist Standard and Enterprise only",
    "an API key in GEMINI_API_KEY"
  )
})
