import { assert, describe, it } from "@effect/vitest"
import * as Lines from "../../src/internal/lines.js"

describe("lines", () => {
  it("are put together out of any number of pieces, and no longer than they may be", () => {
    const lines = Lines.make(10)
    assert.deepStrictEqual([..."ab\r\nc\rd\n\ne"].flatMap((piece) => lines.push(piece)), ["ab", "c", "d", ""])
    assert.strictEqual(lines.rest(), "e")
    assert.throws(() => {
      for (let count = 0; count < 11; count++) lines.push("x")
    }, Lines.LineTooLong)
  })
})
