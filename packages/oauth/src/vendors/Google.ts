/**
 * What the logins of Google's programs have in common. Facts as read in google-gemini/gemini-cli
 * `packages/core/src/code_assist/oauth2.ts` and in google-auth-library, not promised by Google.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as JsonObject from "../JsonObject.js"
import * as OAuthVendor from "../OAuthVendor.js"

/** The user information of Google's own API says `id` for what an id token calls `sub`. */
const account: OAuthVendor.OAuthVendor["account"] = (answer) =>
  Option.orElse(
    OAuthVendor.idTokenAccount(answer),
    () => OAuthVendor.account(JsonObject.text(answer, "id"), JsonObject.text(answer, "email"))
  )

/**
 * Reserves a login of Google's for Google's own programs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const terms = (caveat: string, alternative: string): OAuthVendor.OAuthVendor["terms"] =>
  Option.some({
    note:
      "Google's terms call it a violation to reach Code Assist with this login from other programs, and accounts are "
      + `suspended for it (google-gemini/gemini-cli docs/resources/tos-privacy.md)${caveat}`,
    alternative,
    reserved: true
  })

/**
 * Google: forms with a client secret that is Google's to publish, refresh tokens that stay, no way back from
 * `invalid_grant`. The revocation endpoint asks for the token alone.
 *
 * @since 0.1.0
 * @category vendors
 */
export const google = {
  issuer: Option.some("https://accounts.google.com"),
  authorizationEndpoint: Option.some("https://accounts.google.com/o/oauth2/v2/auth"),
  tokenEndpoint: Option.some("https://oauth2.googleapis.com/token"),
  revocationEndpoint: Option.some("https://oauth2.googleapis.com/revoke"),
  accountEndpoint: Option.some("https://www.googleapis.com/oauth2/v2/userinfo"),
  clientAuth: "client_secret_post",
  device: Option.none(),
  expiry: ["expires_in"],
  account,
  rotates: false,
  margin: Option.some(Duration.minutes(5)),
  revocation: Option.some({ encoding: "form", clientIdWith: [] }),
  lifetimes: { accessToken: Option.some("1 hour"), login: Option.some("6 months unused, or until revoked") }
} as const satisfies Partial<OAuthVendor.OAuthVendor>

/**
 * Scopes that every one of these programs asks for.
 *
 * @since 0.1.0
 * @category defaults
 */
export const scopes = [
  "https://www.googleapis.com/auth/cloud-platform",
  "https://www.googleapis.com/auth/userinfo.email",
  "https://www.googleapis.com/auth/userinfo.profile"
] as const
