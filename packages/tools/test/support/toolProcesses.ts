import * as Workers from "@lockstep/testkit/processes/AskedWorker"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import { isEvent } from "@lockstep/testkit/processes/LockProcesses"
import type { Point } from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"

export interface Settings {
  readonly tool: string
  readonly path: string
  readonly die?: Point
}

const environment = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" }

/** A real process of ours that shares a tool's file. */
export const spawn = (settings: Settings) =>
  Effect.flatMap(
    Bundle.make(new URL("../fixtures/toolWorker.ts", import.meta.url)),
    (bundle) => Workers.start(bundle, settings, environment.HOME)
  )

/** A process of another program, which counts up a member of its own, under this lock, when it is let go. */
export const foreignWriter = (settings: {
  readonly path: string
  readonly lock: string
  readonly member: string
  readonly times: number
}) =>
  Effect.gen(function*() {
    const { lock, member, path, times } = settings
    const child = yield* ChildProcess.spawn({
      program: "sh",
      args: [fileURLToPath(new URL("../fixtures/flockWriter.sh", import.meta.url)), path, lock, member, String(times)],
      env: environment
    })
    yield* child.message(isEvent("started"))
    return { ...child, go: child.write("\n"), done: child.message(isEvent("done")) }
  })
