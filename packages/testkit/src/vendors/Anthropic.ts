/**
 * The Claude subscription login as its public clients speak it (CLIProxyAPI `internal/auth/claude`, pi
 * `packages/ai/src/auth/oauth/anthropic.ts`): JSON throughout, `state` in the token request, a login that ends after a
 * month.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TokenFamilies from "../servers/TokenFamilies.js"
import * as AuthorizationCodes from "./AuthorizationCodes.js"
import * as AuthorizePage from "./AuthorizePage.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const CLIENT_ID = "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
const SCOPE = "user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload"

const error = (status: number, code: string, description: string) =>
  json(status, { error: code, error_description: description })

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  invalidGrant: error(400, "invalid_grant", "Refresh token not found or invalid"),
  invalidGrantWith401: error(401, "invalid_grant", "Refresh token not found or invalid"),
  invalidGrantWith403: error(403, "invalid_grant", "Refresh token not found or invalid"),
  invalidClient: error(401, "invalid_client", "Client authentication failed"),
  invalidScope: error(400, "invalid_scope", "The requested scope is invalid, unknown, or malformed."),
  tooMany: json(
    429,
    { type: "error", error: { type: "rate_limit_error", message: "Rate limited." } },
    { "retry-after": "9" }
  ),
  tooManyInMillis: json(429, { type: "error", error: { type: "rate_limit_error", message: "Rate limited." } }, {
    "retry-after-ms": "1500"
  }),
  overloaded: json(529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } })
} as const

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string; readonly label: string } = {
  id: "6a6e0f3c-0000-4000-8000-000000000001",
  label: "claude@vendor.example"
}

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = 28_800

/**
 * How long a login lives, whatever is refreshed. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LOGIN_LIFETIME = 29 * 86_400

/**
 * The page that shows `code#state` to a person.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const PAGE = "https://platform.claude.com/oauth/code/callback"

/**
 * Starts the vendor.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: VendorEmulator.Options = {}
): Effect.Effect<VendorEmulator.VendorEmulator, never, Scope.Scope> =>
  VendorEmulator.make({
    interval: 7,
    vendor: ({ person, script }) => {
      const clientId = options.clientId ?? CLIENT_ID
      const families = TokenFamilies.make({ rotates: true, accessTokenTtl: LIFETIME })
      const codes = AuthorizationCodes.make()
      const malformed = json(400, {
        type: "error",
        error: { type: "invalid_request_error", message: "Invalid request format" }
      })

      const answer = (tokens: TokenFamilies.IssuedTokens) => ({
        token_type: "Bearer",
        access_token: tokens.accessToken,
        expires_in: LIFETIME,
        refresh_token: tokens.refreshToken,
        scope: SCOPE,
        organization: { uuid: "6a6e0f3c-0000-4000-8000-0000000000aa", name: "Example" },
        account: { uuid: ACCOUNT.id, email_address: ACCOUNT.label }
      })

      return {
        isLive: families.isLive,
        routes: {
          "GET https://claude.ai/oauth/authorize": AuthorizePage.make({
            codes,
            person,
            rules: {
              code: "true",
              response_type: "code",
              client_id: clientId,
              redirect_uri: (uri) =>
                uri === PAGE || (typeof uri === "string" && /^http:\/\/localhost:\d+\/callback$/.test(uri)),
              scope: WireRules.oneOf(SCOPE, `org:create_api_key ${SCOPE}`),
              code_challenge: WireRules.challenge,
              code_challenge_method: "S256",
              state: WireRules.unguessable
            }
          }),

          "POST https://platform.claude.com/v1/oauth/token": (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              yield* WireRules.checkHeaders(request, { accept: /application\/json|\*\/\*/ }, malformed)
              if (members["grant_type"] === "refresh_token") {
                if (Object.hasOwn(members, "scope")) {
                  return yield* violate("scope is not granted again", refusals.invalidScope)
                }
                yield* WireRules.check(
                  { grant_type: "refresh_token", refresh_token: WireRules.present, client_id: clientId },
                  members,
                  malformed
                )
                return yield* VendorEmulator.refresh({
                  treatment: script.take("refresh"),
                  families,
                  refreshToken: WireRules.textOf(members, "refresh_token"),
                  members: answer,
                  invalid: refusals.invalidGrant
                })
              }
              yield* WireRules.check(
                {
                  grant_type: "authorization_code",
                  code: WireRules.present,
                  redirect_uri: WireRules.present,
                  client_id: clientId,
                  code_verifier: WireRules.verifier,
                  state: WireRules.present
                },
                members,
                malformed
              )
              const treatment = script.take("exchange")
              const authorized = yield* codes.redeem(
                WireRules.textOf(members, "code"),
                {
                  clientId,
                  redirectUri: WireRules.textOf(members, "redirect_uri"),
                  codeVerifier: WireRules.textOf(members, "code_verifier")
                },
                error(400, "invalid_grant", "Invalid 'redirect_uri' in request.")
              )
              if (members["state"] !== authorized.state) {
                return yield* violate("state is not the authorized one", malformed)
              }
              return VendorEmulator.grant(treatment, () => ({
                ...answer(families.issue()),
                refresh_token_expires_in: LOGIN_LIFETIME
              }))
            }),

          "GET https://api.anthropic.com/api/oauth/profile": (request) =>
            families.isLive((request.headers.authorization ?? "").replace(/^Bearer /, ""))
              ? Effect.succeed(json(200, {
                account: { uuid: ACCOUNT.id, email: ACCOUNT.label },
                organization: { uuid: "6a6e0f3c-0000-4000-8000-0000000000aa", name: "Example" }
              }))
              : violate("the access token is not valid", error(401, "authentication_error", "Invalid bearer token"))
        }
      }
    }
  })
