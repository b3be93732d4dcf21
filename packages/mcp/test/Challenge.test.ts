import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Challenge from "@lockstep/mcp/Challenge"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"

const read = (header: string) =>
  Option.getOrNull(Option.map(Challenge.bearer(header), ({ error, errorDescription, resourceMetadata, scope }) => [
    Option.getOrNull(resourceMetadata),
    scope.join(" "),
    Option.getOrNull(error),
    Option.getOrNull(errorDescription)
  ]))

describe("a challenge", () => {
  const headers: ReadonlyArray<[string, ReadonlyArray<string | null> | null]> = [
    ["", null],
    ["Basic realm=\"x\"", null],
    ["Bearer", [null, "", null, null]],
    ["bearer RESOURCE_METADATA=\"https://a.example/x\"", ["https://a.example/x", "", null, null]],
    [
      "Bearer realm=\"a, b\", error=invalid_token , error_description=\"say \\\"no\\\"\", scope=\"a  b\"",
      [null, "a b", "invalid_token", "say \"no\""]
    ],
    ["Basic realm=\"x\", Bearer scope=\"a\", DPoP algs=\"ES256\"", [null, "a", null, null]],
    ["Negotiate dG9rZW4=, Bearer scope=a", [null, "a", null, null]],
    ["Bearer scope=\"a\", Bearer resource_metadata=\"https://m.example\"", ["https://m.example", "a", null, null]],
    ["Bearer scope=\"first\", scope=\"second\"", [null, "first", null, null]],
    ["DPoP scope=\"a\", Bearer", [null, "", null, null]],
    ["Bearer scope=\"never closed", [null, "", null, null]],
    ["Bearer , ,, scope=a", [null, "a", null, null]],
    [`Bearer scope="${"a".repeat(20_000)}"`, null]
  ]

  it.each(headers)("%s", (header, expected) => deepStrictEqual(read(header), expected))

  it("is found in whatever surrounds it, and nothing ends the reading", () => {
    const junk = FastCheck.string({ maxLength: 60, unit: "binary" })
    FastCheck.assert(
      FastCheck.property(junk, junk, (before, after) => {
        Challenge.parse(before)
        Challenge.bearer(`${before} ${after}`)
        return Challenge.parse(`Bearer scope="a b"${after === "" ? "" : ","}${after}`)[0]?.scheme === "bearer"
      }),
      { numRuns: 2_000 }
    )
  })

  it("survives what a quoted value can hold", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string({ minLength: 1, maxLength: 40 }), (value) => {
        const quoted = value.replace(/["\\]/g, "\\$&")
        const [challenge] = Challenge.parse(`Bearer x="${quoted}", y=1`)
        assert.strictEqual(challenge?.parameters.get("x"), value)
        assert.strictEqual(challenge?.parameters.get("y"), "1")
      }),
      { numRuns: 2_000 }
    )
  })
})
