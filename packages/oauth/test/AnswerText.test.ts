import { assert, describe, it } from "@effect/vitest"
import * as AnswerText from "@lockstep/oauth/AnswerText"
import * as FastCheck from "effect/FastCheck"

const TEXT = "{\"access_token\":\"lockstep-at-x\",\"name\":\"Jörg\"}"
const JSON_TYPE = "application/json"

const wide = (text: string, endian: "le" | "be"): Uint8Array => {
  const bytes = Buffer.from(text, "utf16le")
  return endian === "le" ? bytes : bytes.swap16()
}

const table: ReadonlyArray<[string, Uint8Array, string]> = [
  ["UTF-8", Buffer.from(TEXT), JSON_TYPE],
  ["UTF-8 with a byte-order mark", Buffer.from(`\uFEFF${TEXT}`), JSON_TYPE],
  ["UTF-8 with two of them", Buffer.from(`\uFEFF\uFEFF${TEXT}`), JSON_TYPE],
  ["UTF-8 that says it is something else", Buffer.from(TEXT), "application/json; charset=utf-16"],
  ["UTF-8 in an unknown charset", Buffer.from(TEXT), "application/json; charset=nonsense"],
  ["UTF-16 with a byte-order mark", wide(`\uFEFF${TEXT}`, "le"), JSON_TYPE],
  ["UTF-16 the other way round", wide(`\uFEFF${TEXT}`, "be"), JSON_TYPE],
  ["UTF-16 without one", wide(TEXT, "le"), JSON_TYPE],
  ["UTF-16 without one, the other way round", wide(TEXT, "be"), JSON_TYPE],
  ["what its label says", Buffer.from(TEXT, "latin1"), "application/json; charset=\"ISO-8859-1\""],
  ["an encoding that is not named", Buffer.from(TEXT, "latin1"), ""]
]

describe("a body", () => {
  it.each(table)("is read as %s", (_, body, contentType) => {
    assert.strictEqual(AnswerText.read(body, contentType), TEXT)
  })

  it("that was cut inside a character is read up to it", () => {
    assert.strictEqual(AnswerText.read(Buffer.from("{\"a\":\"é").subarray(0, -1), JSON_TYPE), "{\"a\":\"")
  })

  it("of any bytes is read", () => {
    FastCheck.assert(FastCheck.property(FastCheck.uint8Array(), FastCheck.string(), (body, label) => {
      assert.isString(AnswerText.read(body, `text/plain; charset=${label}`))
    }))
  })
})
