import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { examine, seeded } from "../support/Doctor.js"

/** The command once more, with something else in the place of the process that tries a lock. */
const withProbe = (bin: string, script: string | undefined) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const root = dirname(dirname(bin))
        const copy = mkdtempSync(join(dirname(root), "probe-"))
        cpSync(root, copy, { recursive: true })
        return copy
      }),
      (copy) => Effect.sync(() => rmSync(copy, { recursive: true, force: true }))
    ),
    (copy) => {
      const probe = join(copy, "dist", "probe.js")
      rmSync(probe)
      if (script !== undefined) writeFileSync(probe, script)
      return join(copy, "bin", basename(bin))
    }
  )

describe("whether locks exclude", () => {
  it.scopedLive.each(
    [
      ["lock_open", "process.exit(0)", "two processes held one lock at the same time"],
      [
        "lock_stuck",
        `process.stdin.resume().on("end", () => process.exit(75)); console.log()`,
        "a lock that was released stayed taken"
      ],
      ["lock_probe_failed", undefined, "a second process could not try the lock"],
      ["lock_probe_failed", "process.exit(75)", "a second process could not try the lock"],
      [
        "lock_probe_failed",
        "console.log(); process.stdin.on('end', () => process.exit(1)).resume()",
        "a second process could not try the lock"
      ]
    ] as const
  )("is asked of a second process, and %s is what it tells", ([code, script, what]) =>
    Effect.gen(function*() {
      const stage = yield* seeded
      const before = readdirSync(stage.harness.home)
      const bin = yield* withProbe(stage.bin, script)
      const { findings, problems } = yield* examine({
        ...stage,
        run: (args, { env = {} } = {}) =>
          Effect.flatMap(stage.harness.spawn({ args: [bin, ...args], env }), (child) => stage.finish(child))
      })
      assert.lengthOf(problems, 1, problems.join("\n"))
      assert.include(problems[0], `locks: ${what}`)
      assert.isTrue(findings.some((finding) => finding.code === code))
      assert.deepStrictEqual(readdirSync(stage.harness.home), before)
    }))
})
