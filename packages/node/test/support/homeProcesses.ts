import * as Workers from "@lockstep/testkit/processes/AskedWorker"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import type { Point } from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Path from "node:path"

export interface Settings {
  readonly home: string
  readonly lockDirectory?: string
  readonly uid?: number
  readonly umask?: number
  readonly die?: Point
}

const bundle = Effect.tap(Bundle.make(new URL("../fixtures/homeWorker.ts", import.meta.url)), (file) =>
  // Another user runs it too.
  Effect.sync(() => {
    Fs.chmodSync(Path.dirname(file), 0o755)
    Fs.chmodSync(file, 0o644)
  }))

/** A real process with a home. Its answer to a message is `done` with a result or `failed` with a tag and a reason. */
export const spawn = (settings: Settings) =>
  Effect.flatMap(bundle, (file) => Workers.start(file, settings, settings.home))
