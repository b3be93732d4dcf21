import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundleFrontDoor } from "../front-door.mjs"
import { ENTRIES, notices } from "../notices.mjs"

const text = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), "utf8")

/** The package of a path below `node_modules`. */
const nameOf = (path: string): string | undefined => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]

describe("NOTICE", () => {
  it("looks at every entry that is bundled", () => {
    const bundled = ["build.mjs", "front-door.mjs"].flatMap((name) => text(name).match(/src\/[\w/]+\.ts/g) ?? [])
    assert.isAbove(bundled.length, 5)
    assert.includeMembers([...ENTRIES], bundled)
  })

  it("names every package in the front door, and every licence has a text", async () => {
    const dist = fileURLToPath(new URL("../dist/", import.meta.url))
    mkdirSync(dist, { recursive: true })
    const folder = mkdtempSync(join(dist, "test-"))
    try {
      const { outputs } = await bundleFrontDoor(join(folder, "api"))
      const paths = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs))
      const packages = new Set(paths.flatMap((path) => nameOf(path) ?? []))
      const found = await notices()
      assert.include([...packages], "effect")
      assert.includeMembers(found.map(({ id }) => id.replace(/ \S+$/, "")), [...packages])
      for (const { id, text } of found) assert.isAbove(text.length, 200, id)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
