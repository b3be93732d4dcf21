import { assert, describe, it } from "@effect/vitest"
import * as AuditLog from "@lockstep/serve/AuditLog"
import * as Effect from "effect/Effect"
import { linkSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "audit-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("the audit of a keeper", () => {
  it.scopedLive("is a file of its own: no link leads to another, and no other user reads it", () =>
    Effect.gen(function*() {
      const home = yield* folder
      const other = join(home, "other")
      writeFileSync(other, "theirs", { mode: 0o644 })
      symlinkSync(other, join(home, "linked"))
      linkSync(other, join(home, "twice"))
      for (const [name, detail] of [["linked", "ELOOP"], ["twice", "EINVAL"], ["", "EISDIR"]] as const) {
        const error = yield* Effect.flip(AuditLog.open({ path: join(home, name) }))
        assert.strictEqual(error.detail, detail, name)
      }
      assert.strictEqual(readFileSync(other, "utf8"), "theirs")
      const path = join(home, "audit")
      writeFileSync(path, "", { mode: 0o644 })
      yield* AuditLog.open({ path })
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }))

  it.scopedLive("begins anew when it is full, and keeps the one before", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "audit")
      const audit = yield* AuditLog.open({ path, limit: 200, now: () => 0 })
      for (let count = 0; count < 9; count++) audit.write({ event: "answer", count })
      const counts = (name: string) =>
        readFileSync(name, "utf8").trimEnd().split("\n").map((line) => (JSON.parse(line) as { count: number }).count)
      // Three lines fill a file.
      assert.deepStrictEqual([counts(`${path}.1`), counts(path)], [[3, 4, 5], [6, 7, 8]])
      for (const name of [path, `${path}.1`]) {
        assert.isAtMost(statSync(name).size, 200)
        assert.strictEqual(statSync(name).mode & 0o777, 0o600)
      }
    }))
})
