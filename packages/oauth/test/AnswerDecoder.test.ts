import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import type { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as AnswerDecoder from "@lockstep/oauth/AnswerDecoder"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import { anthropic } from "@lockstep/oauth/vendors/Anthropic"
import { codex } from "@lockstep/oauth/vendors/Codex"
import { WireExchange } from "@lockstep/oauth/WireExchange"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { answer, jwt } from "./wire.js"

const NOW = 1_900_000_000_000
const SECONDS = NOW / 1000
const AT = FakeToken.make("at")
const RT = FakeToken.make("rt")
const SENT = FakeToken.make("rt")

const decode = (exchange: WireExchange, vendor: OAuthVendor.OAuthVendor = OAuthVendor.generic): RedeemAnswer =>
  AnswerDecoder.decode(exchange, { vendor, now: NOW, sent: [Redacted.make(SENT)] })

const granted = (exchange: WireExchange, vendor?: OAuthVendor.OAuthVendor) => {
  const decoded = decode(exchange, vendor)
  if (decoded._tag !== "Granted") return assert.fail(`${decoded._tag}: ${decoded.detail}`)
  const { accessToken, refreshToken, ...rest } = decoded.grant
  return {
    ...rest,
    accessToken: Redacted.value(accessToken),
    refreshToken: Option.getOrNull(Option.map(refreshToken, Redacted.value))
  }
}

const verdict = (decoded: RedeemAnswer): string => {
  switch (decoded._tag) {
    case "Terminal":
    case "Rejected":
      return `${decoded._tag} ${decoded.reason}`
    case "RateLimited":
    case "ServerError":
      return `${decoded._tag} ${Option.getOrElse(decoded.retryAfter, () => "-")}`
    default:
      return decoded._tag
  }
}

describe("a grant", () => {
  const tokens = { access_token: AT, refresh_token: RT, token_type: "Bearer", expires_in: 3600 }
  const FORM = String(new URLSearchParams({ access_token: AT, refresh_token: RT, expires_in: "3600" }))

  it.each(
    [
      ["as RFC 6749 writes it", answer(200, tokens)],
      ["with status 201", answer(201, tokens)],
      ["labelled text/plain", answer(200, tokens, { contentType: "text/plain" })],
      [
        "as a form",
        answer(200, String(new URLSearchParams({ access_token: AT, refresh_token: RT, expires_in: "3600" })), {
          contentType: "application/x-www-form-urlencoded; charset=utf-8"
        })
      ],
      ["beside an error member", answer(200, { ...tokens, error: "none" })],
      ["beside members of wrong types", answer(200, { ...tokens, token_type: 7, scope: { a: 1 }, id_token: [] })],
      ["whose connection was cut behind the last brace", answer(200, tokens, { end: "Cut" })],
      ["whose connection did not end", answer(200, tokens, { end: "Open" })],
      ...["text/plain", "text/html; charset=utf-8", "", "application/octet-stream", "application/json"].map((
        contentType
      ) => [`as a form labelled "${contentType}"`, answer(200, FORM, { contentType })] as const),
      ["as a form whose connection did not end", answer(200, FORM, { contentType: "text/plain", end: "Open" })],
      ["as a form with a line end behind it", answer(200, `${FORM}\r\n`, { contentType: "" })],
      ["as JSON labelled as a form", answer(200, tokens, { contentType: "application/x-www-form-urlencoded" })],
      ["as JSON between blank lines", answer(200, `\r\n ${JSON.stringify(tokens)}\n\n`, { contentType: "text/html" })]
    ] as const
  )("is taken %s", (_, exchange) => {
    const grant = granted(exchange)
    assert.strictEqual(grant.accessToken, AT)
    assert.strictEqual(grant.refreshToken, RT)
    deepStrictEqual(grant.expiresAt, Option.some(SECONDS + 3600))
  })

  it("needs no token_type, no expiry and no refresh token", () => {
    const grant = granted(answer(200, { access_token: AT }))
    assert.strictEqual(grant.refreshToken, null)
    const { account, expiresAt, idToken, scope, tokenType } = grant
    assert.isFalse(
      [account, expiresAt, idToken, scope, tokenType].some((member: Option.Option<unknown>) => Option.isSome(member))
    )
  })

  it("with an empty refresh token keeps the old one", () => {
    assert.strictEqual(granted(answer(200, { ...tokens, refresh_token: "" })).refreshToken, null)
    assert.strictEqual(granted(answer(200, { ...tokens, refresh_token: null })).refreshToken, null)
  })

  it("may list its scopes", () => {
    deepStrictEqual(granted(answer(200, { ...tokens, scope: ["a", "b"] })).scope, Option.some("a b"))
    deepStrictEqual(granted(answer(200, { ...tokens, scope: "a b" })).scope, Option.some("a b"))
  })

  it("tells the account of an OpenID id token", () => {
    const { account } = granted(answer(200, { ...tokens, id_token: jwt({ sub: "s1", email: "a@example.com" }) }))
    deepStrictEqual(
      Option.map(account, ({ id, label }) => [id, label]),
      Option.some([
        Option.some("s1"),
        Option.some("a@example.com")
      ])
    )
  })

  it("of codex ends when its JWT does, and names the workspace", () => {
    const accessToken = jwt({
      exp: SECONDS + 777,
      "https://api.openai.com/auth": { chatgpt_account_id: "w1" },
      "https://api.openai.com/profile": { email: "a@example.com" }
    })
    const grant = granted(answer(200, { access_token: accessToken, expires_in: 5 }), codex)
    deepStrictEqual(grant.expiresAt, Option.some(SECONDS + 777))
    deepStrictEqual(
      Option.map(grant.account, ({ id, label }) => [id, label]),
      Option.some([
        Option.some("w1"),
        Option.some("a@example.com")
      ])
    )
  })

  it("of anthropic tells when the login ends, and whose it is", () => {
    const grant = granted(
      answer(200, {
        ...tokens,
        refresh_token_expires_in: 86_400,
        account: { uuid: "u1", email_address: "a@example.com" }
      }),
      anthropic
    )
    deepStrictEqual(grant.loginExpiresAt, Option.some(SECONDS + 86_400))
    deepStrictEqual(Option.flatMap(grant.account, ({ id }) => id), Option.some("u1"))
  })
})

const nested = (code: string) => ({ error: { message: "no", type: "invalid_request_error", param: null, code } })
const page = "<!doctype html><h1>Hello</h1>"
const html = { contentType: "text/html" }

const table: ReadonlyArray<[string, WireExchange, string, OAuthVendor.OAuthVendor?]> = [
  ["400 invalid_grant", answer(400, { error: "invalid_grant" }), "Terminal InvalidGrant"],
  ["401 invalid_grant", answer(401, { error: "invalid_grant" }), "Terminal InvalidGrant"],
  ["403 invalid_grant", answer(403, { error: "invalid_grant" }), "Terminal InvalidGrant"],
  ["200 invalid_grant", answer(200, { error: "invalid_grant" }), "Terminal InvalidGrant"],
  ["503 invalid_grant", answer(503, { error: "invalid_grant" }), "Terminal InvalidGrant"],
  ["429 invalid_grant", answer(429, { error: "invalid_grant" }), "Terminal InvalidGrant"],
  ["invalid_grant in capitals", answer(400, { error: " INVALID_GRANT " }), "Terminal InvalidGrant"],
  ["invalid_grant inside an object", answer(400, nested("invalid_grant")), "Terminal InvalidGrant"],
  [
    "invalid_grant as a type inside an object",
    answer(400, { type: "error", error: { type: "invalid_grant" } }),
    "Terminal InvalidGrant"
  ],
  ["200 bad_refresh_token", answer(200, { error: "bad_refresh_token" }), "Terminal InvalidGrant"],
  ["200 token_expired", answer(200, { ok: false, error: "token_expired" }), "Terminal InvalidGrant"],
  ["400 invalid_refresh_token", answer(400, { error: "invalid_refresh_token" }), "Terminal InvalidGrant"],
  ["401 invalid_token", answer(401, { error: "invalid_token" }), "Terminal InvalidGrant"],
  ["401 refresh_token_reused in an object", answer(401, nested("refresh_token_reused")), "Terminal InvalidGrant"],
  ["401 refresh_token_revoked in an object", answer(401, nested("refresh_token_revoked")), "Terminal InvalidGrant"],
  ["a code at the top", answer(400, { code: "refresh_token_already_used", message: "…" }), "Terminal InvalidGrant"],
  ["a code with hyphens", answer(400, { code: "refresh-token-expired" }), "Terminal InvalidGrant"],
  ["a code with a session", answer(403, { code: "session_not_found" }), "Terminal InvalidGrant"],
  [
    "invalid_request that names the refresh token",
    answer(400, { error: "invalid_request", error_description: "The refresh token is invalid or has expired." }),
    "Terminal InvalidGrant"
  ],
  [
    "unauthorized that names the refresh token",
    answer(401, { statusCode: 401, error: "Unauthorized", message: "Refresh token has been revoked" }),
    "Terminal InvalidGrant"
  ],
  [
    "words that say what to do",
    answer(400, { error: "invalid_request", error_description: "Refresh token expired: the user must log in again" }),
    "Terminal InvalidGrant"
  ],
  ["words alone", answer(400, { message: "Invalid refresh_token" }), "Terminal InvalidGrant"],
  [
    "words in an object",
    answer(401, {
      error: {
        type: "invalid_request_error",
        message: "Your refresh token has already been used to generate a new access token."
      }
    }),
    "Terminal InvalidGrant"
  ],
  [
    "invalid_request without a refresh token",
    answer(400, { error: "invalid_request", error_description: "missing required parameter 'refresh_token'" }),
    "Rejected Protocol"
  ],
  [
    "invalid_request about a parameter beside it",
    answer(400, { error: "invalid_request", error_description: "refresh_token: parameter audience is invalid" }),
    "Rejected Protocol"
  ],
  [
    "a client that may not refresh",
    answer(400, { error: "unauthorized_client", error_description: "grant refresh_token is invalid for this client" }),
    "Rejected InvalidClient"
  ],
  ["refresh_token_required", answer(400, { error: "invalid_refresh_token_required" }), "Rejected Protocol"],
  ["missing_refresh_token", answer(400, { error: "missing_refresh_token" }), "Rejected Protocol"],
  [
    "429 about refresh tokens",
    answer(429, { error: "invalid_request", message: "refresh token blocked" }),
    "RateLimited -"
  ],
  ["503 with words", answer(503, { message: "unknown refresh token" }), "ServerError -"],
  ["200 ratelimited", answer(200, { ok: false, error: "ratelimited" }), "RateLimited -"],
  ["a 403 page of a firewall", answer(403, page, html), "Rejected Protocol"],
  ["a 403 page that says JSON", answer(403, page), "Rejected Protocol"],
  ["consent is missing", answer(400, { error: "interaction_required" }), "Terminal InvalidGrant"],
  ["401 invalid_client", answer(401, { error: "invalid_client" }), "Rejected InvalidClient"],
  ["400 invalid_client", answer(400, { error: "invalid_client" }), "Rejected InvalidClient"],
  ["unauthorized_client", answer(400, { error: "unauthorized_client" }), "Rejected InvalidClient"],
  ["a bare 401", answer(401, ""), "Rejected InvalidClient"],
  ["access_denied", answer(400, { error: "access_denied" }), "Rejected Entitlement"],
  ["a bare 403", answer(403, ""), "Rejected Entitlement"],
  ["403 with an unknown code", answer(403, { error: "tier_too_low" }), "Rejected Entitlement"],
  ["invalid_request", answer(400, { error: "invalid_request" }), "Rejected Protocol"],
  ["invalid_scope", answer(400, { error: "invalid_scope" }), "Rejected Protocol"],
  ["invalid_target", answer(400, { error: "invalid_target" }), "Rejected Protocol"],
  ["a bare 404", answer(404, page, html), "Rejected Protocol"],
  ["200 with an unknown error", answer(200, { ok: false, error: "token_lost" }), "Rejected Protocol"],
  ["307", answer(307, ""), "Rejected Protocol"],
  ["302 with a dead grant in it", answer(302, { error: "invalid_grant" }), "Rejected Protocol"],
  ["a redirect that a browser hides", answer(0, ""), "Rejected Protocol"],
  ["a page too long to read, refused", answer(403, page, { ...html, end: "TooLarge" }), "Rejected Protocol"],
  ["429", answer(429, ""), "RateLimited -"],
  ["429 with seconds", answer(429, "", { retryAfter: "9" }), "RateLimited 9000"],
  ["429 with milliseconds", answer(429, "", { retryAfterMs: "90" }), "RateLimited 90"],
  ["429 with a date", answer(429, "", { retryAfter: new Date(NOW + 5_000).toUTCString() }), "RateLimited 5000"],
  ["429 with an odd code", answer(429, { error: "invalid_request" }), "RateLimited -"],
  ["429 cut short", answer(429, "{", { end: "Cut" }), "RateLimited -"],
  ["400 slow_down", answer(400, { error: "slow_down" }, { retryAfter: "3" }), "RateLimited 3000"],
  ["500", answer(500, { error: "server_error" }), "ServerError -"],
  ["502 with a page", answer(502, page, html), "ServerError -"],
  ["503 with seconds", answer(503, "", { retryAfter: "9" }), "ServerError 9000"],
  ["503 with an OAuth code", answer(503, { error: "invalid_client" }), "ServerError -"],
  ["529", answer(529, { type: "error", error: { type: "overloaded_error" } }), "ServerError -"],
  ["400 temporarily_unavailable", answer(400, { error: "temporarily_unavailable" }), "ServerError -"],
  ["408", answer(408, ""), "ServerError -"],
  ["500 cut short", answer(500, "{", { end: "Cut" }), "ServerError -"],
  ["200 without a token", answer(200, { ok: true }), "Unknown"],
  ["200 with an empty token", answer(200, { access_token: "" }), "Unknown"],
  ["200 with a token of another type", answer(200, { access_token: 7 }), "Unknown"],
  ["200 with a refresh token only", answer(200, { refresh_token: RT }), "Unknown"],
  ["200 with an empty error", answer(200, { error: "" }), "Unknown"],
  ["200 with a page", answer(200, page, html), "Unknown"],
  ["200 with a list", answer(200, [AT]), "Unknown"],
  ["200 with null", answer(200, "null"), "Unknown"],
  ["200 cut short", answer(200, `{"access_token":"${AT}","refr`, { end: "Cut" }), "Unknown"],
  [
    "200 cut short as a form",
    answer(200, `access_token=${AT.slice(0, 20)}`, { contentType: "application/x-www-form-urlencoded", end: "Cut" }),
    "Unknown"
  ],
  ["200 with a page that speaks of tokens", answer(200, `<p>access_token=${AT}</p>`, html), "Unknown"],
  ["200 with a sentence", answer(200, `your access_token=${AT} is here`, { contentType: "text/plain" }), "Unknown"],
  ["200 as a form without a token", answer(200, "a=b", { contentType: "text/plain" }), "Unknown"],
  [
    "200 as an error in a form",
    answer(200, "error=invalid_grant", { contentType: "text/plain" }),
    "Terminal InvalidGrant"
  ],
  ["400 as an error in a form", answer(400, "error=invalid_grant", { contentType: "" }), "Terminal InvalidGrant"],
  ["400 that did not end", answer(400, "{\"error\":\"inv", { end: "Open" }), "Unknown"],
  ["silence", WireExchange.Silent({ detail: "no answer in time" }), "Unknown"],
  ["200 too long to read", answer(200, "{", { end: "TooLarge" }), "Unknown"],
  ["204", answer(204, ""), "Unknown"],
  ["400 cut short", answer(400, "{\"error\":\"inv", { end: "Cut" }), "Unknown"],
  ["no answer", WireExchange.Lost({ detail: "reset" }), "Unknown"],
  ["no connection", WireExchange.NeverSent({ detail: "refused" }), "NeverSent"],
  ["codex: refresh_token_reused", answer(401, nested("refresh_token_reused")), "Terminal InvalidGrant", codex],
  ["codex: refresh_token_expired", answer(400, nested("refresh_token_expired")), "Terminal InvalidGrant", codex],
  ["codex: code at the top", answer(400, { code: "Refresh_Token_Invalidated" }), "Terminal InvalidGrant", codex],
  ["codex: every 401 is final", answer(401, page, html), "Terminal InvalidGrant", codex],
  ["codex: 429 is not", answer(429, nested("rate_limited")), "RateLimited -", codex],
  ["anthropic: invalid_grant", answer(400, { error: "invalid_grant" }), "Terminal InvalidGrant", anthropic],
  [
    "anthropic: rate limit",
    answer(429, { type: "error", error: { type: "rate_limit_error" } }, { retryAfter: "60" }),
    "RateLimited 60000",
    anthropic
  ],
  [
    "a vendor's own word for the end of a login",
    answer(400, { error: "login_over" }),
    "Terminal LoginExpired",
    OAuthVendor.make({ id: "x", errors: new Map([["login_over", "LoginExpired"]]) })
  ],
  [
    "a vendor whose unknown client means a lost registration",
    answer(401, { error: "invalid_client" }),
    "Terminal RegistrationExpired",
    OAuthVendor.make({ id: "x", errors: new Map([["invalid_client", "RegistrationExpired"]]) })
  ]
]

describe("an unknown outcome", () => {
  it.each(
    [
      ["a page", answer(200, page, html), true],
      ["nothing", answer(204, ""), true],
      ["what is too long", answer(200, "{", { end: "TooLarge" }), true],
      ["half of an answer", answer(200, "{", { end: "Cut" }), false],
      ["half of an answer that may go on", answer(200, "{", { end: "Open" }), false],
      ["a lost answer", WireExchange.Lost({ detail: "reset" }), false],
      ["silence", WireExchange.Silent({ detail: "no answer in time" }), false]
    ] as const
  )("says of %s whether it was an answer", (_, exchange, answered) => {
    const decoded = decode(exchange)
    assert.strictEqual(decoded._tag === "Unknown" && decoded.answered === true, answered)
  })
})

describe("an answer", () => {
  it.each(table)("%s", (_, exchange, expected, vendor) => {
    assert.strictEqual(verdict(decode(exchange, vendor)), expected)
  })

  it("is told by status, code and description", () => {
    const decoded = decode(answer(400, { error: "invalid_grant", error_description: "Token was revoked." }))
    assert.strictEqual(decoded._tag === "Terminal" && decoded.detail, "HTTP 400 invalid_grant: Token was revoked.")
  })

  it("that is a page is told as one", () => {
    const decoded = decode(answer(403, page, html))
    assert.strictEqual(decoded._tag === "Rejected" && decoded.detail, "HTTP 403, a page in place of an answer")
  })

  it("that echoes tokens is told without them", () => {
    const echoes = [
      { error: SENT },
      // Of a hundred random tokens of this length some two have no digit.
      { error: "invalid_grant", error_description: `the token lockstep-at-${"abCDefGHijKLmnOPqrSTuvWX"} is its heir` },
      { error: "invalid_grant", error_description: `the token ${SENT} was used, ${AT} is its heir` },
      { error: { code: RT, message: SENT }, access_token: AT },
      { error: "x", deep: { refresh_token: "correcthorsebattery" }, message: "correcthorsebattery" }
    ]
    for (const echo of echoes) {
      for (const status of [200, 400, 429, 500]) {
        const decoded = decode(answer(status, echo))
        if (decoded._tag === "Granted") continue
        assert.notMatch(decoded.detail, FakeToken.PATTERN)
        assert.notInclude(decoded.detail, "correcthorse")
      }
    }
  })

  it("of any kind is decoded, and nothing in it leaks", () => {
    const secret = FastCheck.stringMatching(/^[A-Za-z0-9_-]{16,40}$/)
    const around = FastCheck.oneof(
      FastCheck.json(),
      FastCheck.string({ unit: "binary" }),
      secret.map((token) => JSON.stringify({ error: SENT, error_description: `${token} ${SENT}` })),
      secret.map((token) => JSON.stringify({ refresh_token: token, error: { code: token, message: SENT } })),
      secret.map((token) => JSON.stringify({ access_token: token, refresh_token: SENT, expires_in: "no" }))
    )
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 0, max: 999 }),
        around,
        FastCheck.constantFrom("Whole" as const, "Cut" as const, "TooLarge" as const),
        FastCheck.constantFrom("application/json", "text/html", "application/x-www-form-urlencoded", ""),
        FastCheck.option(FastCheck.string()),
        FastCheck.constantFrom(OAuthVendor.generic, codex, anthropic),
        (status, body, end, contentType, retryAfter, vendor) => {
          const decoded = decode(answer(status, body, { end, contentType, retryAfter }), vendor)
          const shown = decoded._tag === "Granted" ? JSON.stringify(decoded) : decoded.detail
          const isSilent = !shown.includes(SENT.slice(0, 24)) && !shown.includes(SENT.slice(-12))
          const isSure = status >= 200 && status <= 299 || decoded._tag !== "Granted"
          return isSilent && isSure
        }
      ),
      { numRuns: 2_000 }
    )
  })
})
