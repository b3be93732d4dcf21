/**
 * The Claude subscription login, as far as a refresh goes. Facts as read in the public clients pi and CLIProxyAPI, not
 * promised by Anthropic.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as JsonObject from "../JsonObject.js"
import * as OAuthVendor from "../OAuthVendor.js"

/**
 * Anthropic: JSON bodies, opaque tokens, the account in the answer, a login that ends after about a month whatever is
 * refreshed. No revocation endpoint is known.
 *
 * @since 0.1.0
 * @category vendors
 */
export const anthropic: OAuthVendor.OAuthVendor = OAuthVendor.make({
  id: "anthropic-oauth",
  tokenEndpoint: Option.some("https://platform.claude.com/v1/oauth/token"),
  clientId: Option.some("9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
  clientAuth: "none",
  refreshEncoding: "json",
  expiry: ["expires_in"],
  loginExpiresIn: Option.some("refresh_token_expires_in"),
  account: (answer) => {
    const account = JsonObject.object(answer, "account")
    return OAuthVendor.account(
      Option.flatMap(account, (found) => JsonObject.text(found, "uuid")),
      Option.flatMap(account, (found) => JsonObject.text(found, "email_address"))
    )
  },
  margin: Option.some(Duration.minutes(5)),
  revocation: Option.none()
})
