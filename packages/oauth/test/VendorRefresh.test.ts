import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { tenant, verdict } from "./network.js"
import { driver, granted, record, redeem } from "./vendors.js"
import { jwt } from "./wire.js"

const NOW = 1_900_000_000
const GRANT = { status: 200, body: { access_token: "at-new", token: "at-new", accessToken: "at-new" } }
const GOOGLE = {
  LOCKSTEP_GEMINI_CLIENT_SECRET: "gemini-secret",
  LOCKSTEP_ANTIGRAVITY_CLIENT_SECRET: "antigravity-secret"
}

const parsed = (contentType: string | undefined, body: string): unknown =>
  contentType?.startsWith("application/json") === true
    ? JSON.parse(body)
    : Object.fromEntries(new URLSearchParams(body))

describe("a refresh", () => {
  const requests: ReadonlyArray<[string, string, "JSON" | "form", Record<string, string>]> = [
    ["codex", "https://auth.openai.com/oauth/token", "JSON", {
      grant_type: "refresh_token",
      refresh_token: "rt-old",
      client_id: "app_EMoamEEZ73f0CkXaXp7hrann"
    }],
    ["anthropic-oauth", "https://platform.claude.com/v1/oauth/token", "JSON", {
      grant_type: "refresh_token",
      refresh_token: "rt-old",
      client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
    }],
    ["xai-oauth", "https://auth.x.ai/oauth2/token", "form", {
      grant_type: "refresh_token",
      refresh_token: "rt-old",
      client_id: "b1a00492-073a-47ea-816f-4c329264a828"
    }],
    ["gemini", "https://oauth2.googleapis.com/token", "form", {
      grant_type: "refresh_token",
      refresh_token: "rt-old",
      client_id: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
      client_secret: "gemini-secret"
    }],
    ["antigravity", "https://oauth2.googleapis.com/token", "form", {
      grant_type: "refresh_token",
      refresh_token: "rt-old",
      client_id: "1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com",
      client_secret: "antigravity-secret"
    }],
    ["kiro", "https://oidc.us-east-1.amazonaws.com/token", "JSON", {
      grantType: "refresh_token",
      refreshToken: "rt-old",
      clientId: "registered",
      clientSecret: "registered-secret"
    }]
  ]

  it.effect.each(requests)("of %s goes to %s as %s", ([vendor, url, encoding, members]) =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT, { environment: GOOGLE })
      const registration = vendor === "kiro"
        ? { clientId: Option.some("registered"), clientSecret: Option.some(Redacted.make("registered-secret")) }
        : {}
      yield* run(redeem(record(vendor, { ...registration, scope: Option.some("granted before") })))
      assert.strictEqual(sent.length, 1)
      const [request] = sent
      assert.strictEqual(`${request?.method} ${request?.url}`, `POST ${url}`)
      const contentType = request?.headers["content-type"]
      assert.match(
        contentType ?? "",
        encoding === "JSON" ? /^application\/json$/ : /^application\/x-www-form-urlencoded/
      )
      deepStrictEqual(parsed(contentType, request?.body ?? ""), members)
      assert.isUndefined(request?.headers["authorization"])
    }))

  it.effect("of copilot shows GitHub's token, which stays, as an editor does", () =>
    Effect.gen(function*() {
      const { run, sent } = driver({ status: 200, body: { token: "at-new", expires_at: NOW + 1_500 } })
      yield* TestClock.setTime(NOW * 1_000)
      deepStrictEqual(granted(yield* run(redeem(record("copilot")))), {
        accessToken: "at-new",
        refreshToken: null,
        expiresAt: NOW + 1_500,
        loginExpiresAt: null,
        account: null
      })
      deepStrictEqual(sent, [{
        method: "GET",
        url: "https://api.github.com/copilot_internal/v2/token",
        body: "",
        headers: {
          "accept": "application/json",
          "authorization": "Bearer rt-old",
          "copilot-integration-id": "vscode-chat",
          "editor-plugin-version": "copilot-chat/0.35.0",
          "editor-version": "vscode/1.107.0",
          "user-agent": "GitHubCopilotChat/0.35.0"
        }
      }])
    }))

  it.effect("of mimocode is not made, and no server is asked", () =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      const error = yield* Effect.flip(run(redeem(record("mimocode"))))
      assert.strictEqual(`${error._tag} ${error.detail}`, "ProviderRejected this vendor's logins are not renewed")
      deepStrictEqual(sent, [])
    }))
})

describe("a login at another issuer", () => {
  const relocated: ReadonlyArray<[string, string, string]> = [
    ["copilot", "https://ghe.example", "https://api.ghe.example/copilot_internal/v2/token"],
    ["kiro", "https://oidc.eu-central-1.amazonaws.com", "https://oidc.eu-central-1.amazonaws.com/token"]
  ]

  it.effect.each(relocated)("of %s, %s, is refreshed at %s", ([vendor, issuer, url]) =>
    Effect.gen(function*() {
      const { run, sent } = driver(GRANT)
      yield* run(redeem(record(vendor, { issuer: Option.some(issuer), clientId: Option.some("client") })))
      deepStrictEqual(sent.map((request) => request.url), [url])
    }))

  it.effect("that does not tell its endpoints is asked for them, and the vendor's own gets nothing", () =>
    Effect.gen(function*() {
      const { run, sent } = driver({ status: 404, body: {} }, { environment: GOOGLE })
      for (const vendor of ["codex", "xai-oauth", "gemini"]) {
        yield* Effect.flip(run(redeem(record(vendor, { issuer: Option.some("https://as.example") }))))
      }
      assert.isAbove(sent.length, 0)
      assert.isTrue(sent.every(({ method, url }) => method === "GET" && new URL(url).host === "as.example"))
    }))
})

describe("an answer", () => {
  const claims = {
    "https://api.openai.com/auth": { chatgpt_account_id: "workspace" },
    "https://api.openai.com/profile": { email: "p@vendor.example" }
  }
  const idToken = jwt({ sub: "subject", email: "i@vendor.example" })
  const codexToken = jwt({ ...claims, exp: NOW + 7_000 })
  const grokToken = jwt({ exp: NOW + 900 })
  const none = { refreshToken: null, loginExpiresAt: null, account: null, expiresAt: null }

  const answers: ReadonlyArray<[string, string, Record<string, unknown>, Record<string, unknown>]> = [
    ["codex", "reads the expiry from the token and not from `expires_in`, and the account from the token", {
      access_token: codexToken,
      expires_in: 60
    }, { accessToken: codexToken, expiresAt: NOW + 7_000, account: ["workspace", "p@vendor.example"] }],
    ["codex", "prefers the id token's e-mail", {
      access_token: codexToken,
      id_token: jwt({ ...claims, email: "i@vendor.example" }),
      refresh_token: "rt-new"
    }, {
      accessToken: codexToken,
      refreshToken: "rt-new",
      expiresAt: NOW + 7_000,
      account: ["workspace", "i@vendor.example"]
    }],
    ["anthropic-oauth", "reads the end of the login, and the account", {
      access_token: "at-new",
      refresh_token: "rt-new",
      expires_in: 28_800,
      refresh_token_expires_in: 2_592_000,
      account: { uuid: "u-1", email_address: "a@vendor.example" },
      organization: { uuid: "o-1" }
    }, {
      accessToken: "at-new",
      refreshToken: "rt-new",
      expiresAt: NOW + 28_800,
      loginExpiresAt: NOW + 2_592_000,
      account: ["u-1", "a@vendor.example"]
    }],
    ["anthropic-oauth", "may lack all but the token", { access_token: "at-new" }, { accessToken: "at-new" }],
    ["xai-oauth", "may lack refresh token and expiry, and the token knows", { access_token: grokToken }, {
      accessToken: grokToken,
      expiresAt: NOW + 900
    }],
    ["xai-oauth", "names the account in the id token", {
      access_token: grokToken,
      expires_in: 21_600,
      refresh_token: "rt-new",
      id_token: idToken
    }, {
      accessToken: grokToken,
      refreshToken: "rt-new",
      expiresAt: NOW + 21_600,
      account: ["subject", "i@vendor.example"]
    }],
    ["gemini", "keeps the refresh token by leaving it out", {
      access_token: "at-new",
      expires_in: 3_599,
      id_token: idToken
    }, { accessToken: "at-new", expiresAt: NOW + 3_599, account: ["subject", "i@vendor.example"] }],
    ["antigravity", "does so too", { access_token: "at-new", expires_in: 3_599 }, {
      accessToken: "at-new",
      expiresAt: NOW + 3_599
    }],
    ["kiro", "is spelled in camelCase", { accessToken: "at-new", refreshToken: "rt-new", expiresIn: 3_600 }, {
      accessToken: "at-new",
      refreshToken: "rt-new",
      expiresAt: NOW + 3_600
    }],
    ["kiro", "may lack the refresh token", { accessToken: "at-new", expiresIn: 3_600 }, {
      accessToken: "at-new",
      expiresAt: NOW + 3_600
    }],
    ["copilot", "says when the token ends in `expires_at`, and `refresh_in` is advice", {
      token: "at-new",
      expires_at: NOW + 1_500,
      refresh_in: 10
    }, { accessToken: "at-new", expiresAt: NOW + 1_500 }]
  ]

  it.effect.each(answers)("of %s %s", ([vendor, , body, expected]) =>
    Effect.gen(function*() {
      const { run } = driver({ status: 200, body }, { environment: GOOGLE })
      yield* TestClock.setTime(NOW * 1_000)
      const answer = yield* run(redeem(record(vendor, { clientId: Option.some("client") })))
      deepStrictEqual(granted(answer), { ...none, ...expected } as ReturnType<typeof granted>)
    }))
})

describe("a refusal", () => {
  const nested = (code: string) => ({ error: { message: "…", type: "invalid_request_error", param: null, code } })
  const typed = (type: string) => ({ __type: type, message: "…" })

  const refusals: ReadonlyArray<[string, number, unknown, string]> = [
    ["codex", 401, nested("refresh_token_reused"), "Terminal InvalidGrant"],
    ["codex", 400, nested("refresh_token_expired"), "Terminal InvalidGrant"],
    ["codex", 400, nested("refresh_token_reused"), "Terminal InvalidGrant"],
    ["codex", 400, nested("refresh_token_invalidated"), "Terminal InvalidGrant"],
    ["codex", 400, { code: "Refresh_Token_Reused" }, "Terminal InvalidGrant"],
    ["codex", 401, {}, "Terminal InvalidGrant"],
    ["codex", 401, nested("anything"), "Terminal InvalidGrant"],
    ["codex", 400, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["codex", 400, nested("anything"), "Rejected Protocol"],
    ["codex", 429, {}, "RateLimited"],
    ["codex", 503, {}, "ServerError"],
    ["anthropic-oauth", 400, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["anthropic-oauth", 401, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["anthropic-oauth", 403, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["anthropic-oauth", 401, { error: "invalid_client" }, "Rejected InvalidClient"],
    ["anthropic-oauth", 400, { error: "invalid_scope" }, "Rejected Protocol"],
    ["anthropic-oauth", 429, { type: "error", error: { type: "rate_limit_error" } }, "RateLimited"],
    ["anthropic-oauth", 529, { type: "error", error: { type: "overloaded_error" } }, "ServerError"],
    ["xai-oauth", 400, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["xai-oauth", 400, { error: "invalid_client" }, "Rejected InvalidClient"],
    ["xai-oauth", 403, { error: "Your team has no access." }, "Rejected Entitlement"],
    ["xai-oauth", 403, {}, "Rejected Entitlement"],
    ["gemini", 400, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["gemini", 401, { error: "invalid_client" }, "Rejected InvalidClient"],
    ["gemini", 500, { error: "internal_failure" }, "ServerError"],
    ["antigravity", 400, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["copilot", 401, { message: "Bad credentials" }, "Terminal InvalidGrant"],
    ["copilot", 403, { message: "…" }, "Rejected Entitlement"],
    ["copilot", 404, { message: "Not Found" }, "Rejected Entitlement"],
    ["copilot", 500, {}, "ServerError"],
    ["copilot", 200, { error: "expired_token" }, "Rejected Protocol"],
    ["kiro", 400, { error: "invalid_grant" }, "Terminal InvalidGrant"],
    ["kiro", 400, typed("InvalidGrantException"), "Terminal InvalidGrant"],
    ["kiro", 400, typed("com.amazonaws.ssooidc#InvalidGrantException"), "Terminal InvalidGrant"],
    ["kiro", 400, typed("ExpiredTokenException"), "Terminal InvalidGrant"],
    ["kiro", 400, { error: "expired_token" }, "Terminal InvalidGrant"],
    ["kiro", 401, { error: "invalid_client" }, "Terminal RegistrationExpired"],
    ["kiro", 401, typed("InvalidClientException"), "Terminal RegistrationExpired"],
    ["kiro", 400, typed("UnauthorizedClientException"), "Rejected InvalidClient"],
    ["kiro", 400, typed("AccessDeniedException"), "Rejected Entitlement"],
    ["kiro", 400, typed("SlowDownException"), "RateLimited"],
    ["kiro", 400, typed("ThrottlingException"), "RateLimited"],
    ["kiro", 400, typed("InternalServerException"), "ServerError"],
    ["kiro", 500, typed("InternalServerException"), "ServerError"]
  ]

  it.effect.each(refusals)("of %s with %i %j", ([vendor, status, body, expected]) =>
    Effect.gen(function*() {
      const { run } = driver({ status, body }, { environment: GOOGLE })
      const answer = yield* run(redeem(record(vendor, { clientId: Option.some("client") })))
      assert.strictEqual(verdict(answer), expected)
    }))
})

describe("a vendor", () => {
  const traits: ReadonlyArray<[string, boolean, number | null]> = [
    ["codex", true, 300_000],
    ["anthropic-oauth", true, 300_000],
    ["xai-oauth", true, 300_000],
    ["gemini", false, 300_000],
    ["antigravity", false, 300_000],
    ["copilot", false, 300_000],
    ["kiro", true, 120_000],
    ["mimocode", false, null],
    ["generic", true, null]
  ]

  it.effect.each(traits)("%s: rotates %s, margin %s", ([vendor, rotates, margin]) =>
    Effect.gen(function*() {
      const { run } = driver(GRANT)
      const found = yield* run(
        Effect.map(TokenEndpoint, (endpoint) => endpoint.traits(tenant, record(vendor)))
      )
      deepStrictEqual(found, { rotates, margin: Option.fromNullable(margin), rotationGroup: Option.none() })
    }))
})
