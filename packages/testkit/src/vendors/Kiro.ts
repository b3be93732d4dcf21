/**
 * AWS SSO OIDC as `aws/amazon-q-developer-cli crates/chat-cli/src/auth/builder_id.rs` speaks it: a client that registers
 * itself, members in camelCase, JSON both ways, errors with a `__type`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as FakeToken from "../FakeToken.js"
import * as TokenFamilies from "../servers/TokenFamilies.js"
import * as DevicePoll from "./DevicePoll.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, type VendorRequest, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const START_URL = "https://view.awsapps.com/start"
const SCOPES = ["codewhisperer:completions", "codewhisperer:analysis", "codewhisperer:conversations"]
const MORE_SCOPES = [...SCOPES, "codewhisperer:transformations", "codewhisperer:taskassist"]

const error = (status: number, code: string, type: string, description: string) =>
  json(status, { __type: type, error: code, error_description: description }, { "x-amzn-errortype": type })

const typeOnly = (type: string) => json(400, { __type: type, message: "no" })

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  invalidGrant: error(400, "invalid_grant", "InvalidGrantException", "Invalid refresh token provided"),
  /** Some answers name the exception only, with its namespace or without. */
  invalidGrantTypeOnly: json(400, { __type: "com.amazonaws.ssooidc#InvalidGrantException", message: "no" }),
  invalidGrantBareType: typeOnly("InvalidGrantException"),
  invalidGrantCodeOnly: json(400, { error: "invalid_grant" }),
  expiredToken: error(400, "expired_token", "ExpiredTokenException", "Token is expired"),
  expiredTokenCodeOnly: json(400, { error: "expired_token" }),
  expiredTokenTypeOnly: typeOnly("ExpiredTokenException"),
  invalidClient: error(401, "invalid_client", "InvalidClientException", "Invalid client provided"),
  invalidClientCodeOnly: json(401, { error: "invalid_client" }),
  invalidClientTypeOnly: typeOnly("InvalidClientException"),
  unauthorizedClientTypeOnly: typeOnly("UnauthorizedClientException"),
  accessDeniedTypeOnly: typeOnly("AccessDeniedException"),
  slowDown: error(400, "slow_down", "SlowDownException", "Too many requests"),
  slowDownTypeOnly: typeOnly("SlowDownException"),
  throttling: typeOnly("ThrottlingException"),
  tooMany: json(429, { __type: "ThrottlingException" }, { "retry-after": "14" }),
  internalTypeOnly: typeOnly("InternalServerException"),
  internal: error(500, "server_error", "InternalServerException", "Internal server error")
} as const

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = 3_600

/**
 * How long a registration lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const REGISTRATION_LIFETIME = 90 * 86_400

/**
 * The address of a region.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const issuer = (region: string): string => `https://oidc.${region}.amazonaws.com`

/**
 * Starts the vendor, in two regions that share nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Effect.Effect<VendorEmulator.VendorEmulator, never, Scope.Scope> =>
  VendorEmulator.make({
    interval: 7,
    vendor: ({ devices, now, script }) => {
      const malformed = error(400, "invalid_request", "InvalidRequestException", "Invalid request")

      const region = (name: string, families: TokenFamilies.TokenFamilies) => {
        const clients = new Map<string, { readonly clientSecret: string; readonly expiresAt: number }>()

        /** A client that was registered here, that has not ended, and whose secret is right. */
        const known = (members: Readonly<Record<string, unknown>>) => {
          const client = clients.get(WireRules.textOf(members, "clientId"))
          return client !== undefined && client.clientSecret === members["clientSecret"] && now() < client.expiresAt
            ? Effect.void
            : violate("the client is not registered", refusals.invalidClient)
        }

        const answer = (tokens: TokenFamilies.IssuedTokens) => ({
          accessToken: tokens.accessToken,
          expiresIn: LIFETIME,
          refreshToken: tokens.refreshToken,
          tokenType: "Bearer"
        })

        const client = { clientId: WireRules.present, clientSecret: WireRules.present }

        return {
          [`POST ${issuer(name)}/client/register`]: (request: VendorRequest) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              yield* WireRules.check(
                {
                  clientName: WireRules.present,
                  clientType: "public",
                  scopes: (scopes) =>
                    JSON.stringify(scopes) === JSON.stringify(SCOPES) ||
                    JSON.stringify(scopes) === JSON.stringify(MORE_SCOPES)
                },
                members,
                malformed
              )
              const treatment = script.take("register")
              return VendorEmulator.grant(treatment, () => {
                const registered = {
                  clientId: randomBytes(16).toString("base64url"),
                  clientSecret: FakeToken.make("cs"),
                  clientIdIssuedAt: now(),
                  clientSecretExpiresAt: now() + REGISTRATION_LIFETIME
                }
                clients.set(registered.clientId, {
                  clientSecret: registered.clientSecret,
                  expiresAt: registered.clientSecretExpiresAt
                })
                return registered
              })
            }),

          [`POST ${issuer(name)}/device_authorization`]: (request: VendorRequest) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              yield* WireRules.check({ ...client, startUrl: START_URL }, members, malformed)
              yield* known(members)
              const treatment = script.take("device")
              return VendorEmulator.grant(treatment, () => {
                const { deviceCode, userCode } = devices.start(WireRules.textOf(members, "clientId"), SCOPES.join(" "))
                return {
                  deviceCode,
                  userCode,
                  verificationUri: "https://view.awsapps.com/start/#/device",
                  verificationUriComplete: `https://view.awsapps.com/start/#/device?user_code=${userCode}`,
                  expiresIn: 600,
                  interval: devices.interval
                }
              })
            }),

          [`POST ${issuer(name)}/token`]: (request: VendorRequest) =>
            Effect.gen(function*() {
              const members = yield* WireRules.jsonObject(request, malformed)
              if (members["grantType"] === "refresh_token") {
                yield* WireRules.check(
                  { ...client, grantType: "refresh_token", refreshToken: WireRules.present },
                  members,
                  malformed
                )
                yield* known(members)
                return yield* VendorEmulator.refresh({
                  treatment: script.take("refresh"),
                  families,
                  refreshToken: WireRules.textOf(members, "refreshToken"),
                  member: "refreshToken",
                  members: answer,
                  invalid: refusals.invalidGrant
                })
              }
              yield* WireRules.check(
                { ...client, grantType: DevicePoll.GRANT_TYPE, deviceCode: WireRules.present },
                members,
                malformed
              )
              yield* known(members)
              const treatment = script.take("poll")
              if (treatment._tag === "Instead") return treatment.reply
              const { clientId } = yield* DevicePoll.agreed(
                devices,
                WireRules.textOf(members, "deviceCode"),
                (code) => error(400, code, TYPES[code] ?? "InvalidRequestException", "")
              )
              if (clientId !== members["clientId"]) {
                return yield* violate("the device code is of another client", refusals.invalidClient)
              }
              return VendorEmulator.grant(treatment, () => answer(families.issue()))
            })
        }
      }

      const families = ["us-east-1", "eu-central-1"].map((name) => ({
        name,
        families: TokenFamilies.make({ rotates: true, accessTokenTtl: LIFETIME })
      }))
      return {
        isLive: (token) => families.some((one) => one.families.isLive(token)),
        routes: Object.assign({}, ...families.map((one) => region(one.name, one.families)))
      }
    }
  })

const TYPES: Readonly<Record<string, string>> = {
  authorization_pending: "AuthorizationPendingException",
  slow_down: "SlowDownException",
  access_denied: "AccessDeniedException",
  expired_token: "ExpiredTokenException"
}
