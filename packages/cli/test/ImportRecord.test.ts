import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ImportRecord from "../src/import/ImportRecord.js"

const NOW = 1_800_000_000_500
const SECRET = "lockstep-rt-ImportRecordTest0123456789"

const decode = (document: unknown) =>
  ImportRecord.decode(Redacted.make(typeof document === "string" ? document : JSON.stringify(document)), NOW)

const whole = {
  access_token: "lockstep-at-1",
  refresh_token: SECRET,
  expires_in: 3600,
  token_endpoint: "https://auth.example/token",
  client_id: "client"
}

const messageOf = (document: unknown) =>
  Either.match(decode(document), {
    onLeft: ({ message }) => message,
    onRight: () => "accepted"
  })

describe("ImportRecord", () => {
  it("reads every member", () => {
    const credential = Either.getOrThrow(decode({
      ...whole,
      id_token: "lockstep-it-1",
      token_type: "Bearer",
      scope: "a b",
      revocation_endpoint: "http://127.0.0.1:1/revoke",
      client_secret: "lockstep-cs-1",
      client_secret_expires_at: 1_900_000_000,
      token_endpoint_auth_method: "client_secret_post",
      login_expires_at: "1850000000",
      vendor: "codex",
      issuer: "https://auth.example",
      resource: "https://api.example",
      account: { id: "1", label: "a@example.com" },
      something_else: 1
    }))
    deepStrictEqual(Option.map(credential.accessToken, Redacted.value), Option.some("lockstep-at-1"))
    deepStrictEqual(Option.map(credential.refreshToken, Redacted.value), Option.some(SECRET))
    deepStrictEqual(Option.map(credential.clientSecret, Redacted.value), Option.some("lockstep-cs-1"))
    deepStrictEqual(credential.clientSecretExpiresAt, Option.some(1_900_000_000))
    deepStrictEqual(credential.tokenEndpointAuthMethod, Option.some("client_secret_post"))
    deepStrictEqual(credential.loginExpiresAt, Option.some(1_850_000_000))
    deepStrictEqual(credential.expiresAt, Option.some(1_800_003_600))
    deepStrictEqual(credential.obtainedAt, Option.some(1_800_000_000))
    deepStrictEqual(Option.flatMap(credential.account, (account) => account.label), Option.some("a@example.com"))
    deepStrictEqual(credential.resource, Option.some("https://api.example"))
  })

  it("takes a registration without an end for one", () => {
    const credential = Either.getOrThrow(decode({ ...whole, client_secret_expires_at: 0 }))
    assert.isTrue(Option.isNone(credential.clientSecretExpiresAt))
  })

  it("takes null for absent and a text for an account's label", () => {
    const credential = Either.getOrThrow(decode({ ...whole, scope: null, account: "me" }))
    assert.isTrue(Option.isNone(credential.scope))
    deepStrictEqual(Option.flatMap(credential.account, ({ label }) => label), Option.some("me"))
  })

  it.each([
    ["not JSON", `{"refresh_token":"${SECRET}"`, "the input is neither JSON nor an access token"],
    ["a list", [whole], "the input is not a JSON object"],
    [
      "no token",
      { token_endpoint: whole.token_endpoint },
      "access_token and refresh_token: at least one of them is needed"
    ],
    ["an empty token", { ...whole, refresh_token: "" }, "refresh_token: is empty"],
    ["a token that is a number", { ...whole, access_token: 7 }, "access_token: a string is expected"],
    [
      "no token endpoint",
      { ...whole, token_endpoint: undefined },
      "token_endpoint: is needed for a refresh token (or issuer, or vendor)"
    ],
    ["no client", { ...whole, client_id: null }, "client_id: is needed for a refresh token"],
    [
      "plain http",
      { ...whole, token_endpoint: "http://auth.example/token" },
      "token_endpoint: an https URL is expected"
    ],
    [
      "a password in the URL",
      { ...whole, issuer: `https://u:${SECRET}@auth.example` },
      "issuer: an https URL is expected"
    ],
    [
      "an expiry in milliseconds",
      { ...whole, expires_in: undefined, expires_at: NOW },
      "expires_at: is beyond the year 2100 (milliseconds?)"
    ],
    [
      "a lifetime in microseconds",
      { ...whole, expires_in: 3_600_000_000 },
      "expires_in: is beyond the year 2100 (milliseconds?)"
    ],
    [
      "an end of the login in milliseconds",
      { ...whole, login_expires_at: NOW },
      "login_expires_at: is beyond the year 2100 (milliseconds?)"
    ],
    [
      "an end of the registration before time",
      { ...whole, client_secret_expires_at: -1 },
      "client_secret_expires_at: is not positive"
    ],
    ["two expiries", { ...whole, expires_at: 1_800_000_100 }, "expires_at and expires_in: one of them is enough"],
    ["an expiry of zero", { ...whole, expires_in: 0 }, "expires_in: is not positive"],
    ["an expiry of words", { ...whole, expires_in: SECRET }, "expires_in: a number of seconds is expected"],
    [
      "an account that is a number",
      { ...whole, account: 1 },
      "account: a string, or an object of id and label, is expected"
    ],
    ["an account id that is a number", { ...whole, account: { id: 1 } }, "account.id: a string is expected"]
  ])("refuses %s and names the member", (_, document, message) => {
    assert.strictEqual(messageOf(document), message)
  })

  it("is total on arbitrary JSON and never repeats a value", () => {
    const member = FastCheck.constantFrom(
      ...Object.keys(whole),
      "account",
      "expires_at",
      "issuer",
      "scope",
      "__proto__"
    )
    const value = FastCheck.oneof(FastCheck.constant(SECRET), FastCheck.constant({ id: SECRET }), FastCheck.jsonValue())
    FastCheck.assert(FastCheck.property(FastCheck.dictionary(member, value), (document) => {
      const decoded = decode(document)
      if (Either.isLeft(decoded)) {
        assert.notInclude(`${decoded.left.message}${decoded.left.advice}`, "lockstep-rt-")
      }
    }))
  })
})
