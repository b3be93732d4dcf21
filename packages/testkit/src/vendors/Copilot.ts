/**
 * GitHub Copilot as `badlogic/pi-mono packages/ai/src/utils/oauth/github-copilot.ts` speaks it: GitHub's device flow,
 * whose errors come with status 200, and an exchange of GitHub's token for a short one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FakeToken from "../FakeToken.js"
import * as DevicePoll from "./DevicePoll.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { json, refuse, type Reply, text, type VendorRequest, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const CLIENT_ID = "Iv1.b507a08c87ecfe98"

/**
 * An enterprise's own domain.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ENTERPRISE = "octo.ghe.example"

/**
 * Errors as this vendor writes them.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const refusals = {
  badCredentials: json(401, { message: "Bad credentials", documentation_url: "https://docs.github.com/rest" }),
  /** A person without the plan. */
  noPlan: json(403, {
    message: "Access to this endpoint is forbidden. Please review our Terms of Service.",
    error_details: { notification_id: "no_copilot_access" }
  }),
  notFound: json(404, { message: "Not Found" }),
  tooMany: json(429, { message: "Too Many Requests" }, { "retry-after": "13" }),
  unavailable: text(502, "<html><title>Unicorn!</title></html>", { "content-type": "text/html" })
} as const

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string; readonly label: string } = { id: "583231", label: "octocat" }

/**
 * How long an access token lives. Seconds.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const LIFETIME = 1_500

/** GitHub answers with a form unless JSON is asked for. */
const answered = (request: VendorRequest, members: Readonly<Record<string, unknown>>): Reply =>
  /application\/json/.test(request.headers.accept ?? "")
    ? json(200, members)
    : text(
      200,
      new URLSearchParams(Object.entries(members).map(([name, value]): [string, string] => [name, String(value)]))
        .toString(),
      {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8"
      }
    )

/**
 * Starts the vendor, on github.com and on {@link ENTERPRISE}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: VendorEmulator.Options = {}
): Effect.Effect<VendorEmulator.VendorEmulator, never, Scope.Scope> =>
  VendorEmulator.make({
    interval: 8,
    vendor: ({ devices, now, script }) => {
      const clientId = options.clientId ?? CLIENT_ID
      /** GitHub's tokens, and where they are good. */
      const logins = new Map<string, string>()
      const accessTokens = new Set<string>()
      const malformed = json(200, { error: "incorrect_client_credentials" })

      const domain = (host: string) => ({
        [`POST https://${host}/login/device/code`]: (request: VendorRequest) =>
          Effect.gen(function*() {
            const members = yield* WireRules.form(request, malformed)
            yield* WireRules.checkHeaders(request, { accept: /application\/json/ }, malformed)
            yield* WireRules.check({ client_id: clientId, scope: "read:user" }, members, malformed)
            const treatment = script.take("device")
            if (treatment._tag === "Instead") return treatment.reply
            const { deviceCode, userCode } = devices.start(clientId, "read:user")
            return answered(request, {
              device_code: deviceCode,
              user_code: userCode,
              verification_uri: `https://${host}/login/device`,
              expires_in: 899,
              interval: devices.interval
            })
          }),

        [`POST https://${host}/login/oauth/access_token`]: (request: VendorRequest) =>
          Effect.gen(function*() {
            const members = yield* WireRules.form(request, malformed)
            yield* WireRules.checkHeaders(request, { accept: /application\/json/ }, malformed)
            yield* WireRules.check(
              { client_id: clientId, device_code: WireRules.present, grant_type: DevicePoll.GRANT_TYPE },
              members,
              malformed
            )
            const treatment = script.take("poll")
            if (treatment._tag === "Instead") return treatment.reply
            yield* DevicePoll.agreed(devices, WireRules.textOf(members, "device_code"), (code, interval) =>
              answered(request, {
                error: code,
                error_description: "see the documentation",
                ...code === "slow_down" ? { interval } : {}
              }))
            const login = FakeToken.make("rt")
            logins.set(login, host)
            return answered(request, { access_token: login, token_type: "bearer", scope: "read:user" })
          }),

        [`GET https://api.${host}/user`]: (request: VendorRequest) => {
          const login = (request.headers.authorization ?? "").replace(/^Bearer /, "")
          return logins.get(login) === host
            ? Effect.succeed(json(200, { login: ACCOUNT.label, id: Number(ACCOUNT.id), type: "User" }))
            : violate("the token is not GitHub's", refusals.badCredentials)
        },

        [`GET https://api.${host}/copilot_internal/v2/token`]: (request: VendorRequest) =>
          Effect.gen(function*() {
            yield* WireRules.checkHeaders(request, {
              authorization: /^Bearer \S+$/,
              "user-agent": "GitHubCopilotChat/0.35.0",
              "editor-version": "vscode/1.107.0",
              "editor-plugin-version": "copilot-chat/0.35.0",
              "copilot-integration-id": "vscode-chat"
            }, refusals.notFound)
            yield* WireRules.check({}, yield* WireRules.query(request, refusals.notFound), refusals.notFound)
            if (request.body !== "") return yield* violate("a GET has no body", refusals.notFound)
            const treatment = script.take("refresh")
            if (treatment._tag === "Instead") return treatment.reply
            const login = (request.headers.authorization ?? "").replace(/^Bearer /, "")
            if (logins.get(login) !== host) return yield* refuse(refusals.badCredentials)
            const token = FakeToken.make("at")
            accessTokens.add(token)
            return VendorEmulator.grant(treatment, () => ({
              token: `${token};exp=${now() + LIFETIME};proxy-ep=proxy.individual.githubcopilot.com`,
              expires_at: now() + LIFETIME,
              refresh_in: LIFETIME - 300,
              sku: "plus_monthly_subscriber_quota",
              endpoints: { api: "https://api.individual.githubcopilot.com" }
            }))
          })
      })

      return {
        isLive: (token) => logins.has(token) || accessTokens.has(token.split(";")[0]!),
        routes: { ...domain("github.com"), ...domain(ENTERPRISE) }
      }
    }
  })
