import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import * as SidecarNames from "@lockstep/node/SidecarNames"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"

const name = FastCheck.oneof(
  FastCheck.string({ unit: "binary", minLength: 1, maxLength: 30 }),
  FastCheck.string({
    unit: FastCheck.constantFrom("a", "A", "%", "6", "1", ".", "/", "é", "\ud800", "\udfff", "~"),
    minLength: 1
  }),
  // Long ones that differ only where they are cut.
  FastCheck.string({ unit: FastCheck.constantFrom("a", "B"), maxLength: 6 }).map((end) => "x".repeat(76) + end)
)

describe("SidecarNames", () => {
  it.each([
    ["codex", "codex"],
    ["codex@work", "codex@work"],
    ["mcp:linear", "mcp%3Alinear"],
    ["Codex", "%43odex"],
    ["a/../b", "a%2F..%2Fb"],
    ["é", "%C3%A9"],
    ["\ud800", "%uD800"]
  ])("encodes %j as %s", (text, encoded) => {
    assert.strictEqual(SidecarNames.encode(text), encoded)
  })

  it("names the files that other programs know", () => {
    const tenant = TenantId.make("mcp:linear")
    deepStrictEqual([
      SidecarNames.aggregateLock("auth.json"),
      SidecarNames.tenantLock("auth.json", tenant),
      SidecarNames.journal("auth.json", tenant),
      SidecarNames.answer("auth.json", tenant)
    ], [
      "auth.json.global.lock",
      "auth.json.refresh.mcp%3Alinear.lock",
      "auth.json.refresh.mcp%3Alinear.json",
      "auth.json.refresh.mcp%3Alinear.answer"
    ])
  })

  it("gives no two texts one name, not even where case does not count", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uniqueArray(name, { minLength: 2, maxLength: 20 }), (texts) => {
        const names = texts.map((text) => SidecarNames.encode(text).toLowerCase())
        assert.strictEqual(new Set(names).size, texts.length)
        for (const encoded of names) assert.isTrue(/^[a-z0-9._@%~-]{1,80}$/.test(encoded))
      }),
      { numRuns: 2_000 }
    )
  })

  it("reads back every tenant whose name was not shortened", () => {
    FastCheck.assert(
      FastCheck.property(name, (text) => {
        const tenant = Option.getOrUndefined(Option.liftThrowable(TenantId.make)(text))
        if (tenant === undefined) return
        const encoded = SidecarNames.encode(tenant)
        deepStrictEqual(
          SidecarNames.decode(encoded),
          encoded.includes("~") ? Option.none() : Option.some(tenant)
        )
      }),
      { numRuns: 2_000 }
    )
  })

  it("knows its files again, and no others", () => {
    const tenant = TenantId.make("x.json")
    deepStrictEqual(
      SidecarNames.parse("auth.json", SidecarNames.journal("auth.json", tenant)),
      Option.some({ kind: "json", tenant: Option.some(tenant) })
    )
    deepStrictEqual(
      SidecarNames.parse("auth.json", SidecarNames.answer("auth.json", TenantId.make("y".repeat(512)))),
      Option.some({ kind: "answer", tenant: Option.none() })
    )
    for (const other of ["auth.json", "auth.json.global.lock", "auth.json.group.g.lock", "auth.json.refresh..lock"]) {
      deepStrictEqual(SidecarNames.parse("auth.json", other), Option.none(), other)
    }
    deepStrictEqual(SidecarNames.decode("%63odex"), Option.none())
    deepStrictEqual(SidecarNames.decode("%3a"), Option.none())
  })
})
