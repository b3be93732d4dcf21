import { assert, describe, it } from "@effect/vitest"
import * as Printable from "@lockstep/core/Printable"

/** Every character there is, each half of a pair on its own among them. */
const everything = Array.from({ length: 0x110000 }, (_, point) => String.fromCodePoint(point))

const STEERS = /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]$/u

const FACE = String.fromCodePoint(0x1f600)
const half = FACE.slice(0, 1)

describe("text from outside", () => {
  it("holds no character that steers, hides, turns or breaks, and every other one as it was", () => {
    for (const character of everything) {
      const shown = Printable.inline(`a${character}b`)
      const expected = STEERS.test(character) ? "a\ufffdb" : `a${character}b`
      if (shown !== expected) assert.fail(`U+${character.codePointAt(0)!.toString(16)} is shown as ${shown}`)
    }
    assert.strictEqual(Printable.inline(`${FACE} ${half}`), `${FACE} \ufffd`)
  })

  it("is one line where it were many", () => {
    assert.strictEqual(Printable.line("one \r\n  two\n\nthree\u2028four\rfive"), "one two three\ufffdfour five")
  })

  it("is the same value as JSON, and nothing to a terminal", () => {
    const text = ["\u2028\n", half, String.fromCodePoint(0xe0001), FACE].join("")
    const value = { "a\u0007\u009b\u202e": text, n: [1, null, true] }
    const document = Printable.json(value)
    assert.deepStrictEqual(JSON.parse(document), value)
    assert.strictEqual(Printable.inline(document), document)
    assert.include(document, FACE)
  })
})
