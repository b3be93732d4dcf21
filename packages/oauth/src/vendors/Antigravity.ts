/**
 * The Google login of Antigravity. Facts as read in public clients, not promised by Google:
 *
 * - client, redirect, scopes, `prompt=consent`: NoeFabris/opencode-antigravity-auth `src/constants.ts` and
 *   `src/antigravity/oauth.ts`, router-for-me/CLIProxyAPI `internal/auth/antigravity`
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as OAuthVendor from "../OAuthVendor.js"
import * as Google from "./Google.js"

/**
 * Antigravity: one port and no other, five scopes, consent asked for each time, so that there is a refresh token each
 * time.
 *
 * @since 0.1.0
 * @category vendors
 */
export const antigravity: OAuthVendor.OAuthVendor = OAuthVendor.make({
  ...Google.google,
  id: "antigravity",
  name: "Antigravity (Google login)",
  clientId: Option.some("1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com"),
  clientSecretSource: Option.some(
    "`src/constants.ts` of NoeFabris/opencode-antigravity-auth (`ANTIGRAVITY_CLIENT_SECRET`)"
  ),
  methods: ["browser", "paste"],
  redirect: { host: "localhost", ports: [51121], path: "/oauth-callback", page: Option.none() },
  scopes: [
    ...Google.scopes,
    "https://www.googleapis.com/auth/cclog",
    "https://www.googleapis.com/auth/experimentsandconfigs"
  ],
  authorizeParameters: { access_type: "offline", prompt: "consent" },
  terms: Google.terms("", "an API key of Google AI Studio, as the tenant `gemini` reads it from GEMINI_API_KEY")
})
