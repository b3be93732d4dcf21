import { assert, describe, it } from "@effect/vitest"
import { Credential } from "@lockstep/core/Credential"
import { CapturedAnswer } from "@lockstep/core/RefreshJournal"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Schema from "effect/Schema"
import { merge } from "../../src/internal/answer.js"

const before = {
  vendor: "codex",
  issuer: "https://as.example",
  token_endpoint: "https://as.example/token",
  revocation_endpoint: "https://as.example/revoke",
  client_id: "client",
  client_secret: "secret",
  client_secret_expires_at: 20_000,
  token_endpoint_auth_method: "client_secret_post",
  access_token: "at-0",
  refresh_token: "rt-0",
  id_token: "it-0",
  token_type: "Bearer",
  scope: "openid",
  resource: "https://api.example",
  expires_at: 1_000,
  obtained_at: 500,
  login_expires_at: 9_000,
  account: { id: "a", label: "a@example.com" },
  generation: 7,
  last_redeem: "attempt-0"
}

const merged = (grant: Partial<typeof TokenGrant.Encoded>) =>
  Schema.encodeSync(Credential)(merge(
    Schema.decodeUnknownSync(Credential)(before),
    CapturedAnswer.make({
      attempt: "attempt-1",
      fingerprint: "0",
      obtainedAt: 1_001,
      grant: Schema.decodeSync(TokenGrant)({ accessToken: "at-1", ...grant })
    }),
    8
  ))

describe("merge", () => {
  it("keeps what the answer omits, except the expiry, which belongs to the old access token", () => {
    const { expires_at: _, ...kept } = before
    assert.deepStrictEqual<unknown>(merged({}), {
      ...kept,
      access_token: "at-1",
      obtained_at: 1_001,
      generation: 8,
      last_redeem: "attempt-1"
    })
  })

  it("takes what the answer names", () => {
    const after = merged({
      refreshToken: "rt-1",
      idToken: "it-1",
      tokenType: "DPoP",
      scope: "openid profile",
      expiresAt: 4_601,
      loginExpiresAt: 10_000
    })
    assert.deepStrictEqual(
      [after.refresh_token, after.id_token, after.token_type, after.scope, after.expires_at, after.login_expires_at],
      ["rt-1", "it-1", "DPoP", "openid profile", 4_601, 10_000]
    )
  })

  it("never exchanges a known account, and learns an unknown one", () => {
    assert.deepStrictEqual(merged({ account: { id: "b" } }).account, before.account)
  })

  it("loses no rotated token to a time that no record may hold", () => {
    for (const time of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const after = merged({ refreshToken: "rt-1", expiresAt: time, loginExpiresAt: time })
      assert.strictEqual(after.refresh_token, "rt-1")
      assert.isUndefined(after.expires_at)
      assert.strictEqual(after.login_expires_at, 9_000)
      Schema.decodeUnknownSync(Credential)(after)
    }
  })
})
