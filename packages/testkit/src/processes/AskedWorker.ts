import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import type { Message } from "@lockstep/testkit/processes/LineProtocol"
import * as Effect from "effect/Effect"
import { isEvent } from "./LockProcesses.js"

let asked = 0

/** Starts a worker of ours and waits until it has opened what its settings name. Answers are told apart by questions. */
export const start = (bundle: string, settings: unknown, home: string) =>
  Effect.gen(function*() {
    const child = yield* ChildProcess.spawn({
      args: [bundle, JSON.stringify(settings)],
      env: { PATH: process.env["PATH"] ?? "", HOME: home }
    })
    yield* child.message(isEvent("opened"))
    const tell = (question: Message) =>
      Effect.suspend(() => {
        const id = ++asked
        return Effect.as(child.send({ ...question, id }), id)
      })
    const ask = (question: Message) =>
      Effect.flatMap(tell(question), (id) => child.message((answer) => answer["id"] === id))
    return { ...child, tell, ask }
  })
