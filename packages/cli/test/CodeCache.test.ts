/** Kept code is run without being looked at: it is believed as far as the bundle beside it, and no further. */
import { assert, describe, it } from "@effect/vitest"
import { chmodSync, chownSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CodeCache from "../src/start/CodeCache.js"

const isRoot = process.geteuid?.() === 0

/** Loads the one chunk of a bundle, and ends as a command does that went well. */
const start = (directory: string): unknown => {
  const before = process.listeners("exit")
  const load = CodeCache.make({ directory, id: "content", kind: "token", require: createRequire(import.meta.url) })
  const loaded = load("chunk.js")
  const [keep] = process.listeners("exit").filter((listener) => !before.includes(listener))
  process.off("exit", keep!)
  keep!.call(process, 0)
  return loaded
}

/** V8 compares no more than the length of a source: code of another one shows whether it was run. */
const withKeptCode = (change: (file: string) => void): unknown => {
  const directory = mkdtempSync(join(tmpdir(), "lockstep-code-"))
  try {
    const chunk = join(directory, "chunk.js")
    writeFileSync(chunk, "(module) => { module.exports = 'kept' }")
    assert.strictEqual(start(directory), "kept")
    const folder = join(directory, "cache", readdirSync(join(directory, "cache"))[0]!)
    writeFileSync(chunk, "(module) => { module.exports = 'read' }")
    change(join(folder, "token"))
    return start(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

describe("kept code", () => {
  it("is run where the bundle's owner alone could write it", () => {
    assert.strictEqual(withKeptCode(() => {}), "kept")
  })

  it("is not run where another user may write it, or it is no file of its own", () => {
    assert.strictEqual(withKeptCode((file) => chmodSync(file, 0o664)), "read")
    assert.strictEqual(withKeptCode((file) => chmodSync(file, 0o646)), "read")
    const link = (file: string) => {
      renameSync(file, `${file}.real`)
      symlinkSync(`${file}.real`, file)
    }
    assert.strictEqual(withKeptCode(link), "read")
  })

  it.skipIf(!isRoot)("is not run where it belongs to another user than the bundle (root is needed)", () => {
    assert.strictEqual(withKeptCode((file) => chownSync(file, 1, 1)), "read")
  })
})
