/**
 * Google's authorization server as installed apps meet it (developers.google.com/identity/protocols/oauth2/native-app):
 * forms with a client secret, refresh tokens that stay, and one only where offline access was asked for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FakeToken from "../FakeToken.js"
import * as TokenFamilies from "../servers/TokenFamilies.js"
import * as AuthorizationCodes from "./AuthorizationCodes.js"
import * as AuthorizePage from "./AuthorizePage.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, refuse, text, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const error = (status: number, code: string, description: string) =>
  json(status, { error: code, error_description: description })

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  invalidGrant: error(400, "invalid_grant", "Token has been expired or revoked."),
  /** A policy of the account asks for the person. */
  reauth: json(400, {
    error: "invalid_grant",
    error_subtype: "invalid_rapt",
    error_description: "reauth related error"
  }),
  invalidClient: error(401, "invalid_client", "The OAuth client was not found."),
  unauthorizedClient: error(401, "unauthorized_client", "Unauthorized"),
  tooMany: json(429, { error: "rate_limit_exceeded" }, { "retry-after": "12" }),
  internal: error(500, "internal_failure", "Backend Error")
} as const

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string; readonly label: string } = {
  id: "108200000000000000001",
  label: "google@vendor.example"
}

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = 3_599

/**
 * A client secret that opens nothing.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const CLIENT_SECRET = FakeToken.make("cs")

/**
 * What one of Google's installed apps asks for.
 *
 * @since 0.1.0
 * @category models
 */
export interface InstalledApp {
  readonly clientId: string
  readonly redirectUri: WireRules.Rule
  readonly scopes: ReadonlyArray<string>
  /** Beside what RFC 6749 and RFC 7636 ask for. */
  readonly authorize: WireRules.Rules
}

/**
 * Starts the server with one client.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  app: InstalledApp,
  options: VendorEmulator.Options = {}
): Effect.Effect<VendorEmulator.VendorEmulator, never, Scope.Scope> =>
  VendorEmulator.make({
    interval: 7,
    vendor: ({ person, script }) => {
      const clientId = options.clientId ?? app.clientId
      const clientSecret = options.clientSecret ?? CLIENT_SECRET
      const families = TokenFamilies.make({ rotates: false, accessTokenTtl: LIFETIME })
      const codes = AuthorizationCodes.make()
      const malformed = error(400, "invalid_request", "Invalid parameter value")
      const client = { client_id: clientId, client_secret: clientSecret }

      const answer = (tokens: TokenFamilies.IssuedTokens) => ({
        access_token: tokens.accessToken,
        expires_in: LIFETIME,
        scope: app.scopes.join(" "),
        token_type: "Bearer"
      })

      return {
        isLive: families.isLive,
        routes: {
          "GET https://accounts.google.com/o/oauth2/v2/auth": AuthorizePage.make({
            codes,
            person,
            rules: {
              response_type: "code",
              client_id: clientId,
              redirect_uri: app.redirectUri,
              scope: app.scopes.join(" "),
              code_challenge: WireRules.challenge,
              code_challenge_method: "S256",
              state: WireRules.unguessable,
              ...app.authorize
            }
          }),

          "POST https://oauth2.googleapis.com/token": (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.form(request, malformed)
              const member = (name: string) => WireRules.textOf(members, name)
              if (request.headers.authorization !== undefined) {
                return yield* violate("the client secret belongs into the form", refusals.invalidClient)
              }
              if (member("client_secret") !== clientSecret || member("client_id") !== clientId) {
                return yield* violate("client id or secret is wrong", refusals.invalidClient)
              }
              if (member("grant_type") === "refresh_token") {
                yield* WireRules.check(
                  { grant_type: "refresh_token", refresh_token: WireRules.present, ...client },
                  members,
                  malformed
                )
                return yield* VendorEmulator.refresh({
                  treatment: script.take("refresh"),
                  families,
                  refreshToken: member("refresh_token"),
                  members: answer,
                  invalid: refusals.invalidGrant
                })
              }
              yield* WireRules.check(
                {
                  grant_type: "authorization_code",
                  code: WireRules.present,
                  redirect_uri: WireRules.present,
                  code_verifier: WireRules.verifier,
                  ...client
                },
                members,
                malformed
              )
              const treatment = script.take("exchange")
              yield* codes.redeem(member("code"), {
                clientId,
                redirectUri: member("redirect_uri"),
                codeVerifier: member("code_verifier")
              }, error(400, "invalid_grant", "Bad Request"))
              return VendorEmulator.grant(treatment, () => {
                const tokens = families.issue()
                return { ...answer(tokens), refresh_token: tokens.refreshToken }
              })
            }),

          "POST https://oauth2.googleapis.com/revoke": (request) =>
            Effect.gen(function*() {
              const members = yield* WireRules.form(request, malformed)
              // The token alone; a hint does no harm.
              yield* WireRules.check(
                { token: WireRules.present, token_type_hint: WireRules.optional(WireRules.present) },
                members,
                malformed
              )
              const treatment = script.take("revoke")
              if (treatment._tag === "Instead") return treatment.reply
              const token = WireRules.textOf(members, "token")
              if (families.revoke(token) === "Nothing") {
                return yield* refuse(error(400, "invalid_token", "Token expired or revoked"))
              }
              return json(200, {})
            }),

          "GET https://www.googleapis.com/oauth2/v2/userinfo": (request) =>
            families.isLive((request.headers.authorization ?? "").replace(/^Bearer /, ""))
              ? Effect.succeed(json(200, {
                id: ACCOUNT.id,
                email: ACCOUNT.label,
                verified_email: true,
                picture: "https://vendor.example/p.png"
              }))
              : violate("the access token is not valid", text(401, "Invalid Credentials"))
        }
      }
    }
  })
