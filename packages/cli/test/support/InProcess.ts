/** The command in this process: one command line, what it wrote, and its exit code. */
import * as Effect from "effect/Effect"
import * as Program from "../../src/Program.js"
import { Signals } from "../../src/Signals.js"
import * as Output from "../../src/terminal/Output.js"
import * as Style from "../../src/terminal/Style.js"

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export const signals: Signals["Type"] = {
  redirect: () => Effect.void,
  watch: () => Effect.void,
  stop: () => {}
}

export const run = (home: string, ...line: ReadonlyArray<string>): Effect.Effect<Ran> =>
  runLine(["--home", home, ...line])

/** Runs a line whose home is named by itself, or by the environment. */
export const runLine = (line: ReadonlyArray<string>): Effect.Effect<Ran> => running(Program.run(line))

/** Runs what answers with an exit code, and keeps what it writes. */
export const running = (program: Effect.Effect<number, never, Output.Output | Signals>): Effect.Effect<Ran> =>
  Effect.suspend(() => {
    const written = { data: "", notes: "" }
    const output = Output.Output.of({
      data: (text) => Effect.sync(() => void (written.data += text)),
      note: (text) => Effect.sync(() => void (written.notes += text)),
      dataStyle: Style.plain,
      noteStyle: Style.plain,
      screen: { isTerminal: false, columns: 80 },
      noteScreen: { isTerminal: false, columns: 80 },
      isInteractive: false
    })
    return program.pipe(
      Effect.map((code) => ({ code, stdout: written.data, stderr: written.notes })),
      Output.provide(output),
      Effect.provideService(Signals, signals)
    )
  })
