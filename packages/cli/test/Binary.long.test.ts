/** The command as one executable, without a Node on the search path. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { inject } from "vitest"
import { make } from "../binary.mjs"
import * as Stage from "./support/Stage.js"

/** What an executable is made of here; the other systems make theirs in the same way, and sign it on macOS. */
const isHere = process.platform === "linux"

const executable = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "lockstep-binary-test-"))
    await make(join(folder, "made"), join(dirname(inject("lockstep")), "..", "dist"))
    return join(folder, "made", "lockstep")
  }),
  (path) => Effect.sync(() => rmSync(dirname(dirname(path)), { recursive: true, force: true }))
)

describe("the executable", () => {
  it.scopedLive.skipIf(!isHere)(
    "does what the command does: one redemption among many, help, and children of its own",
    () =>
      Effect.gen(function*() {
        const path = yield* executable
        assert.deepStrictEqual(readdirSync(dirname(path)).sort(), ["lockstep", "lockstep-native"])
        const stage = yield* Stage.make()
        yield* stage.seed({})
        const run = (args: ReadonlyArray<string>, circumstances: Stage.Circumstances = {}) =>
          Effect.gen(function*() {
            const child = yield* stage.harness.spawn({
              program: path,
              args,
              // No Node is found there, nor another thing that could take the lock.
              env: { PATH: "/nowhere", ...circumstances.env }
            })
            if (circumstances.input !== undefined) yield* child.write(circumstances.input)
            yield* child.closeStdin
            return yield* stage.finish(child, circumstances)
          })

        const tokens = yield* Effect.all(Array.from({ length: 6 }, () => run(["token", "codex"], { prints: true })), {
          concurrency: 6
        })
        assert.deepStrictEqual(tokens.map(({ code, stderr }) => [code, stderr]), tokens.map(() => [0, ""]))
        assert.strictEqual(new Set(tokens.map(({ stdout }) => stdout)).size, 1)
        assert.lengthOf(stage.server.redemptions, 1)
        assert.lengthOf(stage.server.reuses, 0)

        const of = (...args: ReadonlyArray<string>) => stage.run(args)
        for (const args of [["--version"], ["--help"], ["token", "--help"], ["completions", "bash"], ["tokne"]]) {
          assert.deepStrictEqual(yield* run(args), yield* of(...args), args.join(" "))
        }
        const status = JSON.parse((yield* run(["status", "--json"])).stdout) as {
          readonly tenants: ReadonlyArray<object>
        }
        assert.deepInclude(status.tenants[0], { tenant: "codex", state: "fresh", generation: 2 })

        // A second process that tries the lock, the keyring's helper, and a refresh that outlives its command.
        const doctor = JSON.parse((yield* run(["doctor", "--offline", "--json"])).stdout) as {
          readonly checks: ReadonlyArray<{ check: string; findings: ReadonlyArray<{ code: string; message: string }> }>
        }
        const codes = doctor.checks.flatMap(({ findings }) => findings.map(({ code }) => code))
        for (const code of ["lock_probe_failed", "lock_open", "keyring_trouble"]) assert.notInclude(codes, code)
        const keyring = yield* run(["status", "--store", "keyring"], {
          env: { LOCKSTEP_HOME: join(stage.harness.home, "k") }
        })
        assert.notMatch(keyring.stderr, /native module is not installed|something unexpected/)
        yield* stage.change("codex", { expires_at: 1_700_000_000, obtained_at: 1_699_996_400 })
        const late = yield* run(["token", "codex", "--max-wait", "10m"], { prints: true })
        assert.strictEqual(late.code, 0, late.stderr)
        assert.lengthOf(stage.server.redemptions, 2)
      })
  )
})
