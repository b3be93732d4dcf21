import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

const isAccepted = (text: string) => Either.isRight(TenantId.fromString(text))

describe("TenantId", () => {
  it("is the same name however its accents were typed", () => {
    const composed = "caf\u00e9"
    const decomposed = "cafe\u0301"
    assert.notStrictEqual(composed, decomposed)
    assert.strictEqual(TenantId.make(decomposed), TenantId.make(composed))
  })

  it("has 1 to 512 bytes of UTF-8, counted after normalising", () => {
    assert.isFalse(isAccepted(""))
    assert.isTrue(isAccepted("a".repeat(512)))
    assert.isFalse(isAccepted("a".repeat(513)))
    assert.isTrue(isAccepted("\u00e9".repeat(256)))
    assert.isFalse(isAccepted("\u00e9".repeat(257)))
    assert.isTrue(isAccepted("e\u0301".repeat(256)))
  })

  it("holds no control character", () => {
    for (const code of [0x00, 0x09, 0x0a, 0x1b, 0x1f, 0x7f, 0x80, 0x9f]) {
      assert.isFalse(isAccepted(`a${String.fromCodePoint(code)}b`), `U+${code.toString(16)}`)
    }
    assert.isTrue(isAccepted("a b"))
  })

  it("may be any other text, also what names something in JavaScript or in a path", () => {
    for (const text of ["__proto__", "constructor", "../../etc/passwd", "mcp:linear", "日本", "CODEX"]) {
      assert.strictEqual(TenantId.make(text), text)
    }
    assert.notStrictEqual(TenantId.make("CODEX"), TenantId.make("codex"))
  })

  it("names a profile after its last at sign", () => {
    const split = (
      text: string
    ) => [TenantId.base(TenantId.make(text)), Option.getOrNull(TenantId.profile(TenantId.make(text)))]
    assert.deepStrictEqual(split("codex@work"), ["codex", "work"])
    assert.deepStrictEqual(split("mcp:a@b@work"), ["mcp:a@b", "work"])
    assert.deepStrictEqual(split("codex"), ["codex", null])
    assert.deepStrictEqual(split("codex@"), ["codex@", null])
    assert.deepStrictEqual(split("@work"), ["@work", null])
  })
})
