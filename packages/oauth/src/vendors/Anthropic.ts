/**
 * The Claude subscription login. Facts as read in public clients and documents, not promised by Anthropic:
 *
 * - endpoints, client, scopes, JSON bodies, `state` in the exchange, `code#state`, five minutes of margin: earendil-works/pi
 *   `packages/ai/src/auth/oauth/anthropic.ts`, router-for-me/CLIProxyAPI `internal/auth/claude`
 * - a refresh that names a scope is refused: badlogic/pi-mono issues 2169, 2184 and 2357
 * - `refresh_token_expires_in`, which no refresh extends: realiti4/claude-swap pull request 347
 * - variables and their order: anthropics/claude-code issue 52203
 * - terms: `legal-and-compliance` of code.claude.com/docs, as of 2026-02-18
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as JsonObject from "../JsonObject.js"
import * as OAuthVendor from "../OAuthVendor.js"
import * as SourceVariables from "../SourceVariables.js"

/** The answer of the token endpoint says `email_address`, that of the profile `email`. */
const account: OAuthVendor.OAuthVendor["account"] = (answer) =>
  Option.flatMap(JsonObject.object(answer, "account"), (found) =>
    OAuthVendor.account(
      JsonObject.text(found, "uuid"),
      Option.orElse(JsonObject.text(found, "email_address"), () => JsonObject.text(found, "email"))
    ))

/**
 * Anthropic: JSON bodies, opaque tokens, the account in the answer, a login that ends after about a month whatever is
 * refreshed. There is no device login, and no revocation endpoint is known. `org:create_api_key`, which the vendor's own
 * client asks for as well, is left out: nothing here makes API keys.
 *
 * @since 0.1.0
 * @category vendors
 */
export const anthropic: OAuthVendor.OAuthVendor = OAuthVendor.make({
  id: "anthropic-oauth",
  name: "Anthropic (Claude subscription)",
  authorizationEndpoint: Option.some("https://claude.ai/oauth/authorize"),
  tokenEndpoint: Option.some("https://platform.claude.com/v1/oauth/token"),
  accountEndpoint: Option.some("https://api.anthropic.com/api/oauth/profile"),
  clientId: Option.some("9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
  clientAuth: "none",
  methods: ["browser", "paste"],
  redirect: {
    host: "localhost",
    ports: [0],
    path: "/callback",
    page: Option.some("https://platform.claude.com/oauth/code/callback")
  },
  scopes: [
    "user:profile",
    "user:inference",
    "user:sessions:claude_code",
    "user:mcp_servers",
    "user:file_upload"
  ],
  authorizeParameters: { code: "true" },
  exchangeEncoding: "json",
  stateInExchange: true,
  device: Option.none(),
  refreshEncoding: "json",
  expiry: ["expires_in"],
  loginExpiresIn: Option.some("refresh_token_expires_in"),
  account,
  margin: Option.some(Duration.minutes(5)),
  revocation: Option.none(),
  lifetimes: { accessToken: Option.some("8 hours"), login: Option.some("27 to 30 days, whatever is refreshed") },
  environment: SourceVariables.of("anthropic-oauth"),
  terms: Option.some({
    note: "Anthropic's terms reserve this login for Claude Code and Claude.ai; using its tokens in any other program "
      + "violates them (code.claude.com/docs/en/legal-and-compliance)",
    alternative: "an API key in ANTHROPIC_API_KEY, or `claude setup-token` and CLAUDE_CODE_OAUTH_TOKEN for Claude Code",
    reserved: true
  })
})
