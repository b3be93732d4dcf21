/**
 * An authorization server that does all that the standards offer a native client: OpenID Connect discovery, dynamic
 * registration (RFC 7591), PKCE, resource indicators (RFC 8707), `iss` in its answers (RFC 9207), the device grant
 * (RFC 8628), revocation (RFC 7009), rotation with reuse detection.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as TokenFamilies from "../servers/TokenFamilies.js"
import * as AuthorizationCodes from "./AuthorizationCodes.js"
import * as AuthorizePage from "./AuthorizePage.js"
import * as DevicePoll from "./DevicePoll.js"
import * as UnsignedJwt from "./UnsignedJwt.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, type VendorRequest, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

/**
 * Where it is.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ISSUER = "https://as.vendor.example"

/**
 * What it protects.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const RESOURCE = "https://api.vendor.example/mcp"

/**
 * What is asked for.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const SCOPE = "openid offline_access"

/**
 * A client that was registered by hand.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const CLIENT_ID = "registered-by-hand"

const error = (status: number, code: string, description = "because") =>
  json(status, { error: code, error_description: description })

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  invalidGrant: error(400, "invalid_grant"),
  invalidClient: error(401, "invalid_client"),
  invalidScope: error(400, "invalid_scope"),
  accessDenied: error(400, "access_denied"),
  interactionRequired: error(400, "interaction_required"),
  temporarilyUnavailable: error(503, "temporarily_unavailable"),
  temporarilyUnavailableWith400: error(400, "temporarily_unavailable"),
  invalidGrantWith200: error(200, "invalid_grant"),
  tooMany: error(429, "slow_down")
} as const

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string; readonly label: string } = { id: "sub-1", label: "oidc@vendor.example" }

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = 1_800

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
      const clients = new Set([options.clientId ?? CLIENT_ID])
      const families = TokenFamilies.make({ rotates: true, accessTokenTtl: LIFETIME })
      const codes = AuthorizationCodes.make()
      const malformed = error(400, "invalid_request")
      const isClient: WireRules.Rule = (id) => typeof id === "string" && clients.has(id)
      const client = { client_id: isClient, resource: RESOURCE }

      const answer = (tokens: TokenFamilies.IssuedTokens, clientId: string, nonce: string) => ({
        access_token: tokens.accessToken,
        token_type: "Bearer",
        expires_in: LIFETIME,
        refresh_token: tokens.refreshToken,
        scope: SCOPE,
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

      const { clientAuth, clientSecret = "" } = options

      /** RFC 6749 section 2.3.1: the members without the client's proof, once it was checked. */
      const proven = (request: VendorRequest) =>
        Effect.gen(function*() {
          const { client_secret, ...members } = yield* WireRules.form(request, malformed)
          const [scheme, pair = ""] = (request.headers.authorization ?? "").split(" ")
          const [id = "", secret = ""] = Buffer.from(pair, "base64").toString().split(":").map(decodeURIComponent)
          const shown = scheme === "Basic"
            ? "client_secret_basic"
            : client_secret === undefined
            ? undefined
            : "client_secret_post"
          if (shown !== clientAuth) {
            return yield* violate(`the client proves itself by ${shown ?? "nothing"}`, refusals.invalidClient)
          }
          if (clientAuth !== undefined && clientSecret !== (shown === "client_secret_basic" ? secret : client_secret)) {
            return yield* violate("the client secret is wrong", refusals.invalidClient)
          }
          return shown === "client_secret_basic" ? { client_id: id, ...members } : members
        })

      const token = (members: Readonly<Record<string, unknown>>) =>
        Effect.gen(function*() {
          const text = (name: string) => WireRules.textOf(members, name)
          if (!clients.has(text("client_id"))) return yield* violate("the client is unknown", refusals.invalidClient)
          switch (members["grant_type"]) {
            case "refresh_token": {
              yield* WireRules.check(
                { ...client, grant_type: "refresh_token", refresh_token: WireRules.present },
                members,
                malformed
              )
              return yield* VendorEmulator.refresh({
                treatment: script.take("refresh"),
                families,
                refreshToken: text("refresh_token"),
                members: (tokens) => answer(tokens, text("client_id"), ""),
                invalid: refusals.invalidGrant
              })
            }
            case DevicePoll.GRANT_TYPE: {
              yield* WireRules.check(
                { ...client, grant_type: DevicePoll.GRANT_TYPE, device_code: WireRules.present },
                members,
                malformed
              )
              const treatment = script.take("poll")
              if (treatment._tag === "Instead") return treatment.reply
              yield* DevicePoll.agreed(devices, text("device_code"), (code) => error(400, code))
              return VendorEmulator.grant(treatment, () => answer(families.issue(), text("client_id"), ""))
            }
            default: {
              yield* WireRules.check(
                {
                  ...client,
                  grant_type: "authorization_code",
                  code: WireRules.present,
                  redirect_uri: WireRules.present,
                  code_verifier: WireRules.verifier
                },
                members,
                malformed
              )
              const treatment = script.take("exchange")
              const { nonce } = yield* codes.redeem(text("code"), {
                clientId: text("client_id"),
                redirectUri: text("redirect_uri"),
                codeVerifier: text("code_verifier")
              }, refusals.invalidGrant)
              return VendorEmulator.grant(treatment, () => answer(families.issue(), text("client_id"), nonce))
            }
          }
        })

      return {
        isLive: families.isLive,
        routes: {
          // RFC 8414, where a client may look first.
          [`GET ${ISSUER}/.well-known/oauth-authorization-server`]: () => Effect.succeed(json(404, {})),

          [`GET ${ISSUER}/.well-known/openid-configuration`]: () =>
            Effect.succeed(json(200, {
              issuer: ISSUER,
              authorization_endpoint: `${ISSUER}/authorize`,
              token_endpoint: `${ISSUER}/token`,
              device_authorization_endpoint: `${ISSUER}/device`,
              registration_endpoint: `${ISSUER}/register`,
              revocation_endpoint: `${ISSUER}/revoke`,
              jwks_uri: `${ISSUER}/jwks`,
              response_types_supported: ["code"],
              subject_types_supported: ["public"],
              id_token_signing_alg_values_supported: ["RS256"],
              token_endpoint_auth_methods_supported: [clientAuth ?? "none"],
              code_challenge_methods_supported: ["S256"],
              authorization_response_iss_parameter_supported: true,
              scopes_supported: ["openid", "offline_access"]
            })),

          [`GET ${ISSUER}/authorize`]: AuthorizePage.make({
            codes,
            person,
            adds: { iss: ISSUER },
            rules: {
              ...client,
              response_type: "code",
              redirect_uri: /^http:\/\/127\.0\.0\.1:\d+\/callback$/,
              scope: SCOPE,
              code_challenge: WireRules.challenge,
              code_challenge_method: "S256",
              state: WireRules.unguessable,
              nonce: WireRules.unguessable,
              // OpenID Connect Core section 11: offline access wants consent.
              prompt: WireRules.optional("consent")
            }
          }),

          [`POST ${ISSUER}/register`]: (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, error(400, "invalid_client_metadata"))
              yield* WireRules.check(
                {
                  client_name: WireRules.present,
                  application_type: "native",
                  redirect_uris: WireRules.optional((uris) =>
                    Array.isArray(uris) && uris.length > 0 &&
                    uris.every((uri) => typeof uri === "string" && /^http:\/\/127\.0\.0\.1(:\d+)?\/callback$/.test(uri))
                  ),
                  grant_types: (types) => Array.isArray(types) && types.includes("refresh_token"),
                  // RFC 7591 section 2.1: each follows from the other.
                  response_types: JSON.stringify(members["grant_types"] ?? []).includes("authorization_code")
                    ? ["code"]
                    : [],
                  token_endpoint_auth_method: "none",
                  scope: WireRules.optional(SCOPE)
                },
                members,
                error(400, "invalid_client_metadata")
              )
              const clientId = `dyn-${randomBytes(8).toString("hex")}`
              clients.add(clientId)
              return json(201, {
                ...members,
                client_id: clientId,
                client_id_issued_at: now(),
                token_endpoint_auth_method: "none"
              })
            }),

          [`POST ${ISSUER}/device`]: (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.form(request, malformed)
              yield* WireRules.check({ ...client, scope: SCOPE }, members, malformed)
              const treatment = script.take("device")
              return VendorEmulator.grant(treatment, () => {
                const { deviceCode, userCode } = devices.start(WireRules.textOf(members, "client_id"), SCOPE)
                return {
                  device_code: deviceCode,
                  user_code: userCode,
                  verification_uri: `${ISSUER}/activate`,
                  verification_uri_complete: `${ISSUER}/activate?user_code=${userCode}`,
                  expires_in: 600,
                  interval: devices.interval
                }
              })
            }),

          [`POST ${ISSUER}/token`]: (request: VendorRequest) => Effect.flatMap(proven(request), token),

          [`POST ${ISSUER}/revoke`]: (request) =>
            Effect.gen(function*() {
              const members = yield* proven(request)
              yield* WireRules.check(
                {
                  client_id: isClient,
                  token: WireRules.present,
                  token_type_hint: WireRules.optional(WireRules.oneOf("refresh_token", "access_token"))
                },
                members,
                malformed
              )
              const treatment = script.take("revoke")
              if (treatment._tag === "Instead") return treatment.reply
              families.revoke(WireRules.textOf(members, "token"))
              return json(200, {})
            })
        }
      }
    }
  })
