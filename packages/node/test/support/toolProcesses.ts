import * as Bundle from "@lockstep/testkit/Bundle"
import * as ChildProcess from "@lockstep/testkit/ChildProcess"
import type { Message } from "@lockstep/testkit/LineProtocol"
import type { Point } from "@lockstep/testkit/StepTracer"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { isEvent } from "./processes.js"

export interface Settings {
  readonly tool: string
  readonly path: string
  readonly die?: Point
}

const environment = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" }

let asked = 0

/** A real process of ours that shares a tool's file. */
export const spawn = (settings: Settings) =>
  Effect.gen(function*() {
    const bundle = yield* Bundle.make(new URL("../fixtures/toolWorker.ts", import.meta.url))
    const child = yield* ChildProcess.spawn({ args: [bundle, JSON.stringify(settings)], env: environment })
    yield* child.message(isEvent("opened"))
    const ask = (question: Message) =>
      Effect.suspend(() => {
        const id = ++asked
        return Effect.zipRight(child.send({ ...question, id }), child.message((answer) => answer["id"] === id))
      })
    return { ...child, ask }
  })

/** A process that is none of ours and counts up a member of its own, under this lock, when it is let go. */
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
