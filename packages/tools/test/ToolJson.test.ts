import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import { space, unknownMember } from "@lockstep/testkit/homes/JsonTexts"
import * as ToolJson from "@lockstep/tools/ToolJson"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"

const parse = (text: string) => Either.getOrThrow(ToolJson.parse(text))

const { members } = ToolJson

describe("changing members", () => {
  it("makes what is missing, in the layout of the file", () => {
    const added = members({ a: members({ b: members({ c: 18446744073709551615n, d: ["x"] }), e: null }) })
    assert.strictEqual(
      ToolJson.update(parse("{}"), added, ToolJson.PRETTY),
      "{\n  \"a\": {\n    \"b\": {\n      \"c\": 18446744073709551615,\n      \"d\": [\n        \"x\"\n      ]\n    },\n    \"e\": null\n  }\n}"
    )
    assert.strictEqual(
      ToolJson.update(parse("{}"), added, ToolJson.COMPACT),
      "{\"a\":{\"b\":{\"c\":18446744073709551615,\"d\":[\"x\"]},\"e\":null}}"
    )
    assert.strictEqual(
      ToolJson.update(parse("{\"z\" : {}}"), members({ z: members({ a: 1n }) }), ToolJson.PRETTY),
      "{\"z\" : {\"a\":1}}"
    )
  })

  it("replaces what differs, removes what has no value, and leaves a null without a value", () => {
    const text = "{ \"a\" :1 , \"b\":\"x\",\n\"c\":null, \"d\":[ \"y\" ], \"e\": 18446744073709551615 }"
    assert.strictEqual(
      ToolJson.update(
        parse(text),
        members({ a: 2, b: undefined, c: undefined, d: ["y"], e: 18446744073709551615n }),
        ToolJson.PRETTY
      ),
      "{ \"a\" :2 ,\n\"c\":null, \"d\":[ \"y\" ], \"e\": 18446744073709551615 }"
    )
  })

  it("keeps every other byte, duplicates and `__proto__` too", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(unknownMember, { maxLength: 4 }),
        FastCheck.array(unknownMember, { maxLength: 4 }),
        space,
        FastCheck.string({ unit: "binary", maxLength: 8 }),
        (before, inside, blank, value) => {
          const write = (list: typeof before, known: string) =>
            `{${blank}${[...list.map((one) => `"${one.name}"${blank}:${one.value}`), known].join(`${blank},`)}${blank}}`
          const textWith = (known: string) => write(before, `"entry"${blank}: ${write(inside, `"token":${known}`)}`)
          const changed = ToolJson.update(
            parse(textWith("\"old\"")),
            new Map([["entry", members({ token: `new${value}` })]]),
            ToolJson.PRETTY
          )
          assert.strictEqual(changed, textWith(JSON.stringify(`new${value}`)))
        }
      ),
      { numRuns: 300 }
    )
  })
})

describe("reading members", () => {
  const document = parse(
    "{\"text\":\"a\",\"blank\":\"\",\"max\":18446744073709551615,\"over\":18446744073709551616,\"one\":1.0,\"minus\":-1,"
      + "\"endless\":1e999,\"list\":[\"a\",\"b\"],\"mixed\":[\"a\",1],\"nothing\":null,\"yes\":true,\"object\":{}}"
  )
  const { root } = document

  it("reads a u64 as Rust does", () => {
    assert.strictEqual(ToolJson.whole(document, root, "max"), ToolJson.U64_MAX)
    for (const name of ["over", "one", "minus", "endless", "text", "missing"]) {
      assert.isUndefined(ToolJson.whole(document, root, name), name)
    }
    assert.isUndefined(ToolJson.number(document, root, "endless"))
  })

  it("takes a blank string for none", () => {
    assertSome(ToolJson.filled(document, root, "text"), "a")
    assertNone(ToolJson.filled(document, root, "blank"))
  })

  it("tells which member is not what its owner expects", () => {
    const shape = {
      text: "text",
      max: "u64",
      list: "texts?",
      nothing: "text?",
      yes: "flag?",
      object: "object"
    } as const
    assertNone(ToolJson.mismatch(document, root, shape))
    for (
      const [name, kind] of [
        ["one", "u64"],
        ["mixed", "texts?"],
        ["nothing", "text"],
        ["missing", "text"],
        ["max", "text?"],
        ["text", "object?"],
        ["text", "flag?"]
      ] as const
    ) assertSome(ToolJson.mismatch(document, root, { [name]: kind }), name)
    const twice = parse("{\"a\":\"x\",\"b\":1,\"b\":2,\"a\":\"y\"}")
    assertSome(ToolJson.mismatch(twice, twice.root, { a: "text" }), "a")
    assertNone(ToolJson.mismatch(twice, twice.root, {}))
  })

  it("names the place of what is no JSON, and quotes nothing", () => {
    for (const text of ["", "[]", "{\"a\":secret}", "\uFEFF{}", "{}x"]) {
      const parsed = ToolJson.parse(text)
      assert.isTrue(Either.isLeft(parsed), text)
      assert.notInclude(JSON.stringify(parsed), "secret")
    }
  })
})
