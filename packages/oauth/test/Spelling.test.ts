import { assert, describe, it } from "@effect/vitest"
import * as Spelling from "@lockstep/oauth/Spelling"

describe("spelling", () => {
  it("turns members of a request into camelCase, and back", () => {
    const members = { grant_type: "a", refresh_token: "b", scope: "c" }
    const wire = { grantType: "a", refreshToken: "b", scope: "c" }
    assert.deepStrictEqual(Spelling.toWire("camelCase", members), wire)
    assert.deepInclude(Spelling.fromWire("camelCase", wire), members)
  })

  it("leaves everything else alone", () => {
    const members = { refreshToken: "a", expires_in: 1 }
    assert.deepStrictEqual(Spelling.fromWire("snake_case", members), members)
    assert.deepStrictEqual(Spelling.toWire("snake_case", { refresh_token: "a" }), { refresh_token: "a" })
    assert.deepInclude(Spelling.fromWire("camelCase", { __type: "a", inner: { someMember: 1 } }), {
      __type: "a",
      inner: { someMember: 1 }
    })
  })

  it("believes the member that is spelled as RFC 6749 does", () => {
    assert.strictEqual(Spelling.fromWire("camelCase", { access_token: "a", accessToken: "b" })["access_token"], "a")
  })
})
