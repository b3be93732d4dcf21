import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Program from "../src/Program.js"
import { Signals } from "../src/Signals.js"
import * as Output from "../src/terminal/Output.js"
import * as Style from "../src/terminal/Style.js"
import * as InProcess from "./support/InProcess.js"

const SECRET = "lockstep-at-ProgramTest0123456789"

/** Runs with a stdout that breaks in an unforeseen way. */
const run = (...line: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-program-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const notes: Array<string> = []
    const output = Output.Output.of({
      data: () => Effect.die(new RangeError(`broke at ${SECRET}`)),
      note: (text) => Effect.sync(() => void notes.push(text)),
      dataStyle: Style.plain,
      noteStyle: Style.plain,
      screen: { isTerminal: false, columns: 80 },
      noteScreen: { isTerminal: false, columns: 80 },
      isInteractive: false
    })
    const code = yield* Program.run(["--home", home, ...line]).pipe(
      Output.provide(output),
      Effect.provideService(Signals, InProcess.signals)
    )
    return { code, told: notes.join("") }
  })

describe("an unexpected error", () => {
  it.scopedLive("is told in two lines and without its own words", () =>
    Effect.gen(function*() {
      const { code, told } = yield* run("status")
      assert.strictEqual(code, 1)
      assert.match(told, /^lockstep: something unexpected happened \(RangeError\)\n→ .*\n$/)
    }))

  it.scopedLive("shows where it happened when it is asked for", () =>
    Effect.gen(function*() {
      const { code, told } = yield* run("status", "--log-level", "debug")
      assert.strictEqual(code, 1)
      assert.match(told, /lockstep: debug: at .*Program\.test\.ts/)
      assert.notInclude(told, SECRET)
    }))
})
