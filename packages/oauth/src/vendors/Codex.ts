/**
 * The ChatGPT login of OpenAI's Codex, as far as a refresh goes. Facts as read in openai/codex
 * (`codex-rs/login/src/auth`), not promised by OpenAI.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as JsonObject from "../JsonObject.js"
import * as JsonWebToken from "../JsonWebToken.js"
import * as OAuthVendor from "../OAuthVendor.js"

const claim = (answer: JsonObject.JsonObject, token: string, member: string): Option.Option<JsonObject.JsonObject> =>
  JsonObject.text(answer, token).pipe(
    Option.flatMap(JsonWebToken.claims),
    Option.flatMap((claims) => JsonObject.object(claims, member))
  )

const AUTH = "https://api.openai.com/auth"
const PROFILE = "https://api.openai.com/profile"

/** The id is the workspace's; either token may be missing from an answer. */
const account: OAuthVendor.OAuthVendor["account"] = (answer) =>
  OAuthVendor.account(
    Option.firstSomeOf(["id_token", "access_token"].map((token) =>
      Option.flatMap(claim(answer, token, AUTH), (auth) => JsonObject.text(auth, "chatgpt_account_id"))
    )),
    JsonObject.text(answer, "id_token").pipe(
      Option.flatMap(JsonWebToken.claims),
      Option.flatMap((claims) =>
        JsonObject.text(claims, "email")
      ),
      Option.orElse(() =>
        Option.flatMap(claim(answer, "access_token", PROFILE), (profile) => JsonObject.text(profile, "email"))
      )
    )
  )

/**
 * Codex: JSON bodies, expiry in the access token's `exp`, refresh tokens for one use, every 401 final.
 *
 * @since 0.1.0
 * @category vendors
 */
export const codex: OAuthVendor.OAuthVendor = OAuthVendor.make({
  id: "codex",
  issuer: Option.some("https://auth.openai.com"),
  tokenEndpoint: Option.some("https://auth.openai.com/oauth/token"),
  revocationEndpoint: Option.some("https://auth.openai.com/oauth/revoke"),
  clientId: Option.some("app_EMoamEEZ73f0CkXaXp7hrann"),
  clientAuth: "none",
  refreshEncoding: "json",
  expiry: ["jwt_exp", "expires_in"],
  account,
  errors: new Map([
    ["refresh_token_expired", "InvalidGrant"],
    ["refresh_token_reused", "InvalidGrant"],
    ["refresh_token_invalidated", "InvalidGrant"]
  ]),
  statuses: new Map([[401, "InvalidGrant"]]),
  margin: Option.some(Duration.minutes(5)),
  revocation: Option.some({ encoding: "json", clientIdWith: ["refresh_token"] })
})
