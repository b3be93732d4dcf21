/**
 * The ChatGPT login of Codex as its client expects it: `openai/codex codex-rs/login/src/server.rs`,
 * `device_code_auth.rs`, `auth/manager.rs`, `auth/revoke.rs`. Codes are exchanged as a form, refreshed as JSON; tokens
 * are JWTs, and nothing else tells their expiry.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as TokenFamilies from "../servers/TokenFamilies.js"
import * as AuthorizationCodes from "./AuthorizationCodes.js"
import * as AuthorizePage from "./AuthorizePage.js"
import * as UnsignedJwt from "./UnsignedJwt.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, refuse, text, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const ISSUER = "https://auth.openai.com"
const CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
const SCOPES = [
  "openid profile email offline_access",
  "openid profile email offline_access api.connectors.read api.connectors.invoke"
]
const ACCESS_TTL = 10 * 86_400

/** As `openai/codex#6028` quotes one. */
const error = (status: number, code: string, message: string) =>
  json(status, { error: { message, type: "invalid_request_error", param: null, code } })

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  reused: error(
    401,
    "refresh_token_reused",
    "Your refresh token has already been used to generate a new access token. Please try signing in again."
  ),
  expired: error(401, "refresh_token_expired", "Your refresh token has expired."),
  invalidated: error(401, "refresh_token_invalidated", "Your session has ended."),
  /** The codes end a login under any status. */
  expiredWith400: error(400, "refresh_token_expired", "Your refresh token has expired."),
  reusedWith400: error(400, "refresh_token_reused", "Your refresh token has already been used."),
  invalidatedWith400: error(400, "refresh_token_invalidated", "Your session has ended."),
  unauthorized: error(401, "token_expired", "Could not validate your token."),
  invalidGrant: json(400, { error: "invalid_grant" }),
  badRequest: error(400, "unknown_parameter", "Unknown parameter."),
  tooMany: json(429, { detail: "Too many requests" }, { "retry-after": "7" }),
  unavailable: text(503, "upstream connect error")
} as const

const account = { id: "ws-0b54", user: "user-77", email: "codex@vendor.example" }

const claims = {
  "https://api.openai.com/auth": {
    chatgpt_account_id: account.id,
    chatgpt_plan_type: "plus",
    chatgpt_user_id: account.user
  }
}

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string; readonly label: string } = { id: account.id, label: account.email }

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = ACCESS_TTL

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
    vendor: ({ devices, now, person, script }) => {
      const clientId = options.clientId ?? CLIENT_ID
      const families = TokenFamilies.make({ rotates: true, accessTokenTtl: ACCESS_TTL })
      const codes = AuthorizationCodes.make()
      const malformed = error(400, "invalid_request", "Invalid request.")
      const invalidGrant = refusals.invalidGrant

      const answer = (tokens: TokenFamilies.IssuedTokens, nonce: string) => ({
        id_token: UnsignedJwt.make({
          ...claims,
          iss: ISSUER,
          aud: clientId,
          sub: "auth0|77",
          email: account.email,
          iat: now(),
          exp: now() + 3_600,
          ...nonce === "" ? {} : { nonce }
        }),
        access_token: UnsignedJwt.make({
          ...claims,
          "https://api.openai.com/profile": { email: account.email },
          jti: tokens.accessToken,
          iat: now(),
          exp: now() + ACCESS_TTL
        }),
        refresh_token: tokens.refreshToken
      })

      return {
        isLive: (token) => families.isLive(UnsignedJwt.idOf(token)),
        routes: {
          [`GET ${ISSUER}/oauth/authorize`]: AuthorizePage.make({
            codes,
            person,
            rules: {
              response_type: "code",
              client_id: clientId,
              redirect_uri: WireRules.oneOf(
                "http://localhost:1455/auth/callback",
                "http://localhost:1457/auth/callback"
              ),
              scope: WireRules.oneOf(...SCOPES),
              code_challenge: WireRules.challenge,
              code_challenge_method: "S256",
              state: WireRules.unguessable,
              nonce: WireRules.optional(WireRules.unguessable),
              id_token_add_organizations: "true",
              codex_cli_simplified_flow: "true",
              originator: WireRules.present,
              allowed_workspace_id: WireRules.optional(WireRules.present)
            }
          }),

          [`POST ${ISSUER}/oauth/token`]: (request) =>
            Effect.gen(function*() {
              if (/^application\/json\b/.test(request.headers["content-type"] ?? "")) {
                const members = yield* WireRules.jsonObject(request, malformed)
                yield* WireRules.check(
                  { grant_type: "refresh_token", client_id: clientId, refresh_token: WireRules.present },
                  members,
                  malformed
                )
                return yield* VendorEmulator.refresh({
                  treatment: script.take("refresh"),
                  families,
                  refreshToken: WireRules.textOf(members, "refresh_token"),
                  members: (tokens) => answer(tokens, ""),
                  invalid: refusals.invalidated,
                  reused: refusals.reused
                })
              }
              const members = yield* WireRules.form(request, malformed)
              yield* WireRules.check(
                {
                  grant_type: "authorization_code",
                  client_id: clientId,
                  code: WireRules.present,
                  redirect_uri: WireRules.present,
                  code_verifier: WireRules.verifier
                },
                members,
                malformed
              )
              const treatment = script.take("exchange")
              const { nonce } = yield* codes.redeem(WireRules.textOf(members, "code"), {
                clientId,
                redirectUri: WireRules.textOf(members, "redirect_uri"),
                codeVerifier: WireRules.textOf(members, "code_verifier")
              }, invalidGrant)
              return VendorEmulator.grant(treatment, () => answer(families.issue(), nonce))
            }),

          [`POST ${ISSUER}/oauth/revoke`]: (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              const isRefresh = members["token_type_hint"] === "refresh_token"
              yield* WireRules.check(
                {
                  token: WireRules.present,
                  token_type_hint: WireRules.oneOf("refresh_token", "access_token"),
                  ...isRefresh ? { client_id: clientId } : {}
                },
                members,
                malformed
              )
              const treatment = script.take("revoke")
              if (treatment._tag === "Instead") return treatment.reply
              families.revoke(UnsignedJwt.idOf(WireRules.textOf(members, "token")))
              return text(200, "")
            }),

          [`POST ${ISSUER}/api/accounts/deviceauth/usercode`]: (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              yield* WireRules.check({ client_id: clientId }, members, malformed)
              const treatment = script.take("device")
              return VendorEmulator.grant(treatment, () => {
                const { deviceCode, userCode } = devices.start(clientId, SCOPES[0]!)
                return { device_auth_id: deviceCode, user_code: userCode, interval: String(devices.interval) }
              })
            }),

          [`POST ${ISSUER}/api/accounts/deviceauth/token`]: (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              yield* WireRules.check(
                { device_auth_id: WireRules.present, user_code: WireRules.present },
                members,
                malformed
              )
              const treatment = script.take("poll")
              if (treatment._tag === "Instead") return treatment.reply
              const polled = devices.poll(WireRules.textOf(members, "device_auth_id"))
              if (polled === undefined) return yield* refuse(error(404, "deviceauth_not_found", "No such login."))
              if (polled.violation !== undefined) {
                return yield* violate(polled.violation, error(429, "rate_limited", "Too many requests."))
              }
              if (members["user_code"] !== polled.attempt.userCode) {
                return yield* violate("user_code is of another login", error(404, "deviceauth_not_found", "No."))
              }
              if (polled.finding !== "Agreed") {
                // Either status means that the person has not agreed yet.
                return error(polled.polls % 2 === 0 ? 404 : 403, "deviceauth_authorization_pending", "Not yet.")
              }
              const codeVerifier = randomBytes(48).toString("base64url")
              const codeChallenge = AuthorizationCodes.challengeOf(codeVerifier)
              return json(200, {
                authorization_code: codes.issue({
                  clientId,
                  redirectUri: `${ISSUER}/deviceauth/callback`,
                  codeChallenge,
                  scope: polled.attempt.scope,
                  state: "",
                  nonce: "",
                  resource: ""
                }),
                code_challenge: codeChallenge,
                code_verifier: codeVerifier
              })
            })
        }
      }
    }
  })
