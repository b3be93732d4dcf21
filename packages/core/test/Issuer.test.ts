import { describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Issuer from "@lockstep/core/Issuer"

describe("an issuer", () => {
  it("without a path is one, with the slash and without", () => {
    deepStrictEqual(
      [
        ["https://id.example", "https://id.example/"],
        ["https://id.example/", "https://id.example"],
        ["https://ID.example:443", "https://id.example/"],
        ["http://127.0.0.1:8", "http://127.0.0.1:8/"]
      ].map(([a, b]) => Issuer.isSame(a!, b!)),
      [true, true, true, true]
    )
  })

  it("with a path, or elsewhere, is another", () => {
    deepStrictEqual(
      [
        ["https://id.example/a", "https://id.example/a/"],
        ["https://id.example/a", "https://id.example"],
        ["https://id.example//", "https://id.example"],
        ["https://id.example?x", "https://id.example"],
        ["https://id.example#x", "https://id.example"],
        ["https://id.example:8443", "https://id.example"],
        ["http://id.example", "https://id.example"],
        ["https://u@id.example", "https://id.example"],
        ["https://id.example", "https://evil.example"],
        ["id", "other"]
      ].map(([a, b]) => Issuer.isSame(a!, b!)),
      Array.from({ length: 10 }, () => false)
    )
    deepStrictEqual(Issuer.isSame("https://id.example/a", "https://id.example/a"), true)
  })
})
