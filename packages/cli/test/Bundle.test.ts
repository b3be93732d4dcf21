import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { inject } from "vitest"

const dist = join(dirname(inject("lockstep")), "..", "dist")
const scripts = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))

describe("the bundle", () => {
  it("holds no assertion whose failure is told by parsing the bundle", () => {
    assert.isAbove(scripts.length, 3)
    for (const name of scripts) {
      const text = readFileSync(join(dist, name), "utf8")
      assert.notMatch(text, /(?:from|import|require\()\s*\(?["'`](?:node:)?assert(?:\/strict)?["'`]/, name)
    }
  })

  it("asserts all the same", () => {
    const own = createRequire(import.meta.url)("../assert.cjs") as (holds: unknown, message?: string) => void
    own(1)
    assert.throws(() => own(0), "an assertion does not hold")
    assert.throws(() => own("", "words"), "words")
  })
})
