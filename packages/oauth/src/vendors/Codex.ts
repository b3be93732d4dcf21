/**
 * The ChatGPT login of OpenAI's Codex. Facts as read in openai/codex, not promised by OpenAI:
 *
 * - authorization, redirect and its fallback port, form exchange: `codex-rs/login/src/server.rs`
 * - client, JSON refresh, error codes, margin, variables: `codex-rs/login/src/auth/manager.rs`
 * - revocation: `codex-rs/login/src/auth/revoke.rs`
 * - claims: `codex-rs/login/src/token_data.rs`
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as JsonObject from "../JsonObject.js"
import * as JsonWebToken from "../JsonWebToken.js"
import * as OAuthVendor from "../OAuthVendor.js"
import * as SourceVariables from "../SourceVariables.js"
import { codexDevice } from "./CodexDevice.js"

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
        Option.flatMap(
          Option.firstSomeOf(["id_token", "access_token"].map((token) => claim(answer, token, PROFILE))),
          (profile) => JsonObject.text(profile, "email")
        )
      )
    )
  )

/**
 * Codex: a form to exchange the code and JSON to refresh, expiry in the access token's `exp`, refresh tokens for one use,
 * every 401 final. Scopes for connectors, which only the vendor's own client has, are left out, and the originator says
 * who asks.
 *
 * @since 0.1.0
 * @category vendors
 */
export const codex: OAuthVendor.OAuthVendor = OAuthVendor.make({
  id: "codex",
  name: "OpenAI Codex (ChatGPT login)",
  issuer: Option.some("https://auth.openai.com"),
  authorizationEndpoint: Option.some("https://auth.openai.com/oauth/authorize"),
  tokenEndpoint: Option.some("https://auth.openai.com/oauth/token"),
  deviceAuthorizationEndpoint: Option.some("https://auth.openai.com/api/accounts/deviceauth/usercode"),
  revocationEndpoint: Option.some("https://auth.openai.com/oauth/revoke"),
  clientId: Option.some("app_EMoamEEZ73f0CkXaXp7hrann"),
  clientIdVariables: ["CODEX_APP_SERVER_LOGIN_CLIENT_ID"],
  clientAuth: "none",
  methods: ["browser", "paste", "device"],
  redirect: { host: "localhost", ports: [1455, 1457], path: "/auth/callback", page: Option.none() },
  scopes: ["openid", "profile", "email", "offline_access"],
  authorizeParameters: {
    id_token_add_organizations: "true",
    codex_cli_simplified_flow: "true",
    originator: "lockstep"
  },
  device: Option.some(codexDevice),
  refreshEncoding: "json",
  expiry: ["jwt_exp", "expires_in"],
  account,
  statuses: new Map([[401, "InvalidGrant"]]),
  margin: Option.some(Duration.minutes(5)),
  revocation: Option.some({ encoding: "json", clientIdWith: ["refresh_token"] }),
  lifetimes: { accessToken: Option.some("7 to 10 days"), login: Option.none() },
  environment: SourceVariables.of("codex"),
  terms: Option.some({
    note:
      "OpenAI is quoted as accepting other programs with this login, and as having blocked some in April 2026; its own "
      + "words were not read (tidyverse/ellmer pull request 1067, clawfleet/ClawFleet issue 97)",
    alternative: "an API key in OPENAI_API_KEY",
    reserved: false
  })
})
