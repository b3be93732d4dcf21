import { assert, describe, it } from "@effect/vitest"
import * as JsonTree from "@lockstep/node/JsonTree"
import { anyValue, mutated } from "@lockstep/testkit/homes/JsonTexts"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Evaluates a tree with the last of equal members, as `JSON.parse` does. */
const evaluate = (text: string, node: JsonTree.JsonNode): unknown => {
  if (node.kind === "array") return JSON.parse(text.slice(node.start, node.end))
  if (node.kind !== "object") return JsonTree.scalar(text, node)
  return Object.fromEntries(node.members.map((member) => [member.name, evaluate(text, member.value)]))
}

describe("JsonTree", () => {
  it("accepts what JSON.parse accepts, and nothing else", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.oneof(anyValue, mutated(anyValue), mutated(mutated(anyValue))), (text) => {
        assert.strictEqual(Either.isRight(JsonTree.parse(text)), isJson(text))
      }),
      { numRuns: 5_000 }
    )
  })

  it.each([
    "{\"a\":1,}",
    "{,}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\":1 \"b\":2}",
    "{\"a\" 1}",
    "{'a':1}",
    "{a:1}",
    "// c\n{}",
    "{}/**/",
    "{}{}",
    "01",
    "1.",
    ".5",
    "+1",
    "-",
    "1e",
    "NaN",
    "Infinity",
    "True",
    "nul",
    "\"\\x\"",
    "\"\\u12G4\"",
    "\"\t\"",
    "\uFEFF{}",
    "{\u00a0}",
    "\v1"
  ])("refuses %j, as JSON.parse does", (text) => {
    assert.isFalse(isJson(text))
    assert.isTrue(Either.isLeft(JsonTree.parse(text)))
  })

  it("finds every member where it stands", () => {
    FastCheck.assert(
      FastCheck.property(anyValue, (text) => {
        assert.deepStrictEqual(evaluate(text, Either.getOrThrow(JsonTree.parse(text))), JSON.parse(text))
      }),
      { numRuns: 1_000 }
    )
  })

  it.each([
    ["{\"a\":1,}", "line 1, column 8"],
    ["{\n  \"a\": s3cret\n}", "line 2, column 8"],
    ["{\"a\":\"s3cret\n\"}", "line 1, column 13"],
    ["{\"a\":1} x", "line 1, column 9"],
    ["", "line 1, column 1"],
    ["{\"a\":", "line 1, column 6"],
    ["\uFEFF{}", "line 1, column 1 (a byte-order mark)"],
    ["{\n\uFEFF}", "line 2, column 1 (a byte-order mark)"]
  ])("names the place of the first error in %j", (text, place) => {
    const error = JsonTree.parse(text)
    assert.strictEqual(Either.isLeft(error) && JsonTree.position(text, error.left), place)
  })

  it("refuses nesting that would overflow the stack", () => {
    assert.isTrue(Either.isLeft(JsonTree.parse("[".repeat(1_000_000))))
    assert.isTrue(Either.isLeft(JsonTree.parse("{\"a\":".repeat(1_000_000))))
  })

  it("reads a string of megabytes", () => {
    const text = JSON.stringify("x\\\"".repeat(1_000_000))
    assert.isTrue(Either.isRight(JsonTree.parse(text)))
  })
})
