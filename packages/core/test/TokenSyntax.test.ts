import { assert, describe, it } from "@effect/vitest"
import * as TokenSyntax from "@lockstep/core/TokenSyntax"

describe("a token that may leave", () => {
  it("is made of what RFC 6749 lets it be made of, and of nothing else", () => {
    for (let point = 0; point < 0x300; point++) {
      const isVisible = point >= 0x20 && point <= 0x7e
      assert.strictEqual(TokenSyntax.isToken(`a${String.fromCharCode(point)}b`), isVisible, String(point))
    }
    assert.isFalse(TokenSyntax.isToken(""))
    assert.isFalse(TokenSyntax.isToken("a\n"))
    assert.isFalse(TokenSyntax.isToken("\u2028"))
  })

  it("has a type that can stand before it", () => {
    for (const type of ["Bearer", "bearer", "token", "N_A", "DPoP"]) assert.isUndefined(TokenSyntax.faultOf("a", type))
    for (const type of ["", "Bearer x", "Bearer\n", "a:b", "caf\u00e9", "a\0"]) {
      assert.strictEqual(TokenSyntax.faultOf("a", type), "token type")
    }
    assert.strictEqual(TokenSyntax.faultOf("\n", "\n"), "access token")
  })
})
