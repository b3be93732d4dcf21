import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import * as Table from "./table.js"

describe("the table of docs/tools.md", () => {
  it("has no row but those that a test with the real program compares", () => {
    const sources = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".test.ts"))
      .map((name) => readFileSync(new URL(name, import.meta.url), "utf8"))
    const rows = Table.rows()
    assert.isAbove(rows.length, 10)
    for (const row of rows) {
      const named = sources.filter((text) => text.includes(`ROW = "${row}"`) || text.includes(`row: "${row}"`))
      assert.lengthOf(named, 1, row)
      assert.match(named[0]!, /Table\.compare\(|sharedTests\(|importedTests\(|vendorLoginTests\(/, row)
    }
  })
})
