import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { encode } from "uqr"
import * as QrCode from "../../src/login/QrCode.js"
import * as Style from "../../src/terminal/Style.js"

const TEXT = "https://auth.example/device?user_code=ABCD-EFGH"

/** Reads the drawing back, module by module. */
const modules = (drawing: string): ReadonlyArray<ReadonlyArray<boolean>> =>
  Style.strip(drawing).trimEnd().split("\n").flatMap((line) => [
    [...line].map((char) => char === " " || char === "▄"),
    [...line].map((char) => char === " " || char === "▀")
  ])

describe("a QR code", () => {
  it("is drawn module by module, two in a character", () => {
    const drawing = Option.getOrThrow(QrCode.render(TEXT, { style: Style.plain, columns: 80 }))
    const { data, size } = encode(TEXT, { ecc: "L", border: 4 })
    assert.deepStrictEqual(modules(drawing).slice(0, size), data)
  })

  it("is black on white on a coloured terminal", () => {
    const drawing = Option.getOrThrow(QrCode.render(TEXT, { style: Style.coloured, columns: 80 }))
    assert.include(drawing, "\u001b[38;5;231;48;5;16m")
  })

  it("gives up its border before it gives up, and is never wrapped", () => {
    const { size } = encode(TEXT, { ecc: "L", border: 1 })
    assert.isTrue(Option.isSome(QrCode.render(TEXT, { style: Style.plain, columns: size })))
    assert.isTrue(Option.isNone(QrCode.render(TEXT, { style: Style.plain, columns: size - 1 })))
  })
})
