import type { StoreKind } from "@lockstep/node/Home"
import * as Bundle from "@lockstep/testkit/Bundle"
import * as ChildProcess from "@lockstep/testkit/ChildProcess"
import type { Message } from "@lockstep/testkit/LineProtocol"
import type { Point } from "@lockstep/testkit/StepTracer"
import * as Effect from "effect/Effect"

export interface Settings {
  readonly root: string
  readonly kind?: StoreKind
  readonly die?: Point
  readonly tell?: boolean
}

const bundle = Bundle.make(new URL("../fixtures/storeWorker.ts", import.meta.url))

let asked = 0

/** A real process with a home and a keyring that all of them share. Answers `done`, or `failed` with tag and reason. */
export const spawn = (settings: Settings) =>
  Effect.gen(function*() {
    const child = yield* ChildProcess.spawn({
      args: [yield* bundle, JSON.stringify(settings)],
      env: { PATH: process.env["PATH"] ?? "", HOME: settings.root }
    })
    yield* child.message(({ event }) => event === "opened")
    const tell = (question: Message) =>
      Effect.suspend(() => {
        const id = ++asked
        return Effect.as(child.send({ ...question, id }), id)
      })
    const ask = (question: Message) =>
      Effect.flatMap(tell(question), (id) => child.message((answer) => answer["id"] === id))
    return { ...child, tell, ask }
  })
