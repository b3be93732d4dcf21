import * as Bundle from "@lockstep/testkit/Bundle"
import * as ChildProcess from "@lockstep/testkit/ChildProcess"
import type { Message } from "@lockstep/testkit/LineProtocol"
import type { Point } from "@lockstep/testkit/StepTracer"
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

let asked = 0

/** A real process with a home. Its answer to a message is `done` with a result or `failed` with a tag and a reason. */
export const spawn = (settings: Settings) =>
  Effect.gen(function*() {
    const child = yield* ChildProcess.spawn({
      args: [yield* bundle, JSON.stringify(settings)],
      env: { PATH: process.env["PATH"] ?? "", HOME: settings.home }
    })
    yield* child.message(({ event }) => event === "opened")
    const ask = (question: Message) =>
      Effect.suspend(() => {
        const id = ++asked
        return Effect.zipRight(child.send({ ...question, id }), child.message((answer) => answer["id"] === id))
      })
    return { ...child, ask }
  })
