/** docs/operations.md: its commands run, its names exist, and what it says of a restored backup holds. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import * as Finding from "../src/doctor/Finding.js"
import * as Stage from "./support/Stage.js"

const PAGE = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8")

const COMMANDS = [...PAGE.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) =>
  block!.split("\n").filter((line) => line.startsWith("lockstep ")).map((line) => line.replace(/ +#.*/, ""))
)
const CODES = [...PAGE.matchAll(/`([a-z]+_[a-z_]+)`/g)].map(([, code]) => code!)
const BOUNDS = [...PAGE.split("## Settings")[1]!.matchAll(/`(LOCKSTEP_[A-Z_]+)`/g)].map(([, name]) => name!)

describe("docs/operations.md", () => {
  it.scopedLive("has commands that find nothing to do in a home where all is well", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({ left: 3_600 })
      yield* stage.run(["refresh", "codex"])
      assert.isAtLeast(COMMANDS.length, 3)
      for (const line of COMMANDS) {
        const { code, stderr } = yield* stage.shell(line.replace(/^lockstep/, "$LOCKSTEP"))
        assert.deepStrictEqual({ line, code, stderr }, { line, code: 0, stderr: "" })
      }
    }))

  it("names findings that the doctor has", () => {
    assert.isAtLeast(CODES.length, 4)
    for (const code of CODES) assert.property(Finding.CODES, code)
  })

  it.scopedLive("names settings that are read", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      assert.isAtLeast(BOUNDS.length, 3)
      for (const name of BOUNDS) {
        const { code, stderr } = yield* stage.run(["status"], { env: { [name]: "soon" } })
        assert.strictEqual(code, 2, name)
        assert.include(stderr, name)
      }
    }))

  it.scopedLive("is right about a copy that is put back: its token is known as exchanged and is not sent", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      yield* stage.seed({})
      const backup = readFileSync(stage.file)
      assert.strictEqual((yield* stage.run(["token", "codex"], { prints: true })).code, 0)
      const sent = stage.server.redemptions.length
      writeFileSync(stage.file, backup)
      const { code, stdout } = yield* stage.run(["token", "codex", "--json"])
      assert.strictEqual(code, 3)
      assert.strictEqual((JSON.parse(stdout) as { error: { reason: string } }).error.reason, "Stale")
      assert.lengthOf(stage.server.redemptions, sent)
    }))
})
