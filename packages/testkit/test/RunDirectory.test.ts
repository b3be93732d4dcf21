import { assert, describe, it } from "@effect/vitest"
import * as RunDirectory from "@lockstep/testkit/processes/RunDirectory"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"

describe("RunDirectory", () => {
  it("removes what dead runs left behind, and nothing else", () => {
    const parent = mkdtempSync(join(tmpdir(), "lockstep-run-directory-"))
    try {
      const dead = spawnSync(process.execPath, ["-e", ""]).pid
      const kept = [`made-${process.ppid}-x`, `other-${dead}-x`, "made-by-hand"]
      for (const name of [...kept, `made-${dead}-x`]) mkdirSync(join(parent, name))
      const made = RunDirectory.make(parent, "made")
      assert.deepStrictEqual(readdirSync(parent).sort(), [...kept, basename(made)].sort())
    } finally {
      rmSync(parent, { recursive: true, force: true })
    }
  })
})
