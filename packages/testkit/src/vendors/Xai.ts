/**
 * The Grok login as `xai-org/grok-build crates/codegen/xai-grok-shell/src/auth` speaks it: OpenID Connect discovery,
 * PKCE or RFC 8628, forms, refresh tokens for one use, a list of clients that are let in.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TokenFamilies from "../servers/TokenFamilies.js"
import * as AuthorizationCodes from "./AuthorizationCodes.js"
import * as AuthorizePage from "./AuthorizePage.js"
import * as DevicePoll from "./DevicePoll.js"
import * as UnsignedJwt from "./UnsignedJwt.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const ISSUER = "https://auth.x.ai"
const CLIENT_ID = "b1a00492-073a-47ea-816f-4c329264a828"
const SCOPES = [
  "openid profile email offline_access grok-cli:access api:access",
  "openid profile email offline_access grok-cli:access api:access conversations:read conversations:write workspaces:read workspaces:write"
]

const error = (status: number, code: string, description?: string) =>
  json(status, { error: code, ...description === undefined ? {} : { error_description: description } })

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  invalidGrant: error(400, "invalid_grant", "Refresh token is invalid or revoked"),
  invalidClient: error(400, "invalid_client", "Unknown or disabled client"),
  /** The plan does not cover it; a login would not help. */
  forbidden: json(403, { code: "permission-denied", error: "Your team has no access to this feature." }),
  forbiddenBare: json(403, {}),
  tooMany: json(429, {}, { "retry-after": "11" }),
  unavailable: json(503, {})
} as const

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string; readonly label: string } = {
  id: "xai-user-1",
  label: "grok@vendor.example"
}

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = 21_600

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
    interval: 8,
    vendor: ({ devices, now, person, script }) => {
      const clientId = options.clientId ?? CLIENT_ID
      const families = TokenFamilies.make({ rotates: true, accessTokenTtl: LIFETIME })
      const codes = AuthorizationCodes.make()
      const malformed = error(400, "invalid_request")
      // `grok-build`, or the name of the program that asks.
      const referrer: WireRules.Rule = /^[a-z-]+$/

      const answer = (tokens: TokenFamilies.IssuedTokens, nonce: string) => ({
        access_token: UnsignedJwt.make({
          jti: tokens.accessToken,
          iss: ISSUER,
          sub: ACCOUNT.id,
          iat: now(),
          exp: now() + LIFETIME,
          principal_type: "User",
          principal_id: ACCOUNT.id,
          team_id: "team-1",
          tier: 1
        }),
        token_type: "Bearer",
        expires_in: LIFETIME,
        refresh_token: tokens.refreshToken,
        id_token: UnsignedJwt.make({
          iss: ISSUER,
          aud: clientId,
          sub: ACCOUNT.id,
          email: ACCOUNT.label,
          iat: now(),
          exp: now() + 3_600,
          ...nonce === "" ? {} : { nonce }
        })
      })

      const token = (members: Readonly<Record<string, unknown>>) =>
        Effect.gen(function*() {
          const text = (name: string) => WireRules.textOf(members, name)
          if (text("client_id") !== clientId) return yield* violate("the client is unknown", refusals.invalidClient)
          switch (members["grant_type"]) {
            case "refresh_token": {
              yield* WireRules.check(
                {
                  grant_type: "refresh_token",
                  refresh_token: WireRules.present,
                  client_id: clientId,
                  principal_type: WireRules.optional(WireRules.present),
                  principal_id: WireRules.optional(WireRules.present)
                },
                members,
                malformed
              )
              return yield* VendorEmulator.refresh({
                treatment: script.take("refresh"),
                families,
                refreshToken: text("refresh_token"),
                members: (tokens) => answer(tokens, ""),
                invalid: refusals.invalidGrant
              })
            }
            case DevicePoll.GRANT_TYPE: {
              yield* WireRules.check(
                { grant_type: DevicePoll.GRANT_TYPE, device_code: WireRules.present, client_id: clientId },
                members,
                malformed
              )
              const treatment = script.take("poll")
              if (treatment._tag === "Instead") return treatment.reply
              yield* DevicePoll.agreed(devices, text("device_code"), (code) => error(400, code))
              return VendorEmulator.grant(treatment, () => answer(families.issue(), ""))
            }
            default: {
              yield* WireRules.check(
                {
                  grant_type: "authorization_code",
                  code: WireRules.present,
                  redirect_uri: WireRules.present,
                  client_id: clientId,
                  code_verifier: WireRules.verifier
                },
                members,
                malformed
              )
              const treatment = script.take("exchange")
              const { nonce } = yield* codes.redeem(text("code"), {
                clientId,
                redirectUri: text("redirect_uri"),
                codeVerifier: text("code_verifier")
              }, refusals.invalidGrant)
              return VendorEmulator.grant(treatment, () => answer(families.issue(), nonce))
            }
          }
        })

      return {
        isLive: (credential) => families.isLive(UnsignedJwt.idOf(credential)),
        routes: {
          // RFC 8414, where a client may look first.
          [`GET ${ISSUER}/.well-known/oauth-authorization-server`]: () => Effect.succeed(json(404, {})),

          [`GET ${ISSUER}/.well-known/openid-configuration`]: () =>
            Effect.succeed(json(200, {
              issuer: ISSUER,
              authorization_endpoint: `${ISSUER}/oauth2/authorize`,
              token_endpoint: `${ISSUER}/oauth2/token`,
              device_authorization_endpoint: `${ISSUER}/oauth2/device/code`,
              jwks_uri: `${ISSUER}/.well-known/jwks.json`,
              response_types_supported: ["code"],
              subject_types_supported: ["public"],
              id_token_signing_alg_values_supported: ["RS256"],
              token_endpoint_auth_methods_supported: ["none"],
              code_challenge_methods_supported: ["S256"],
              grant_types_supported: ["authorization_code", "refresh_token", DevicePoll.GRANT_TYPE]
            })),

          [`GET ${ISSUER}/oauth2/authorize`]: AuthorizePage.make({
            codes,
            person,
            rules: {
              response_type: "code",
              client_id: clientId,
              redirect_uri: /^http:\/\/127\.0\.0\.1:\d+\/callback$/,
              scope: WireRules.oneOf(...SCOPES),
              code_challenge: WireRules.challenge,
              code_challenge_method: "S256",
              state: WireRules.unguessable,
              nonce: WireRules.unguessable,
              referrer
            }
          }),

          [`POST ${ISSUER}/oauth2/device/code`]: (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.form(request, malformed)
              if (members["client_id"] !== clientId) {
                return yield* violate("the client is unknown", refusals.invalidClient)
              }
              yield* WireRules.check(
                { client_id: clientId, scope: WireRules.oneOf(...SCOPES), referrer },
                members,
                malformed
              )
              const treatment = script.take("device")
              return VendorEmulator.grant(treatment, () => {
                const { deviceCode, userCode } = devices.start(clientId, WireRules.textOf(members, "scope"))
                return {
                  device_code: deviceCode,
                  user_code: userCode,
                  verification_uri: "https://accounts.x.ai/device",
                  verification_uri_complete: `https://accounts.x.ai/device?user_code=${userCode}`,
                  expires_in: 600,
                  interval: devices.interval
                }
              })
            }),

          [`POST ${ISSUER}/oauth2/token`]: (request) => Effect.flatMap(WireRules.form(request, malformed), token)
        }
      }
    }
  })
