import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import type { Message } from "@lockstep/testkit/processes/LineProtocol"
import * as Effect from "effect/Effect"
import * as Cp from "node:child_process"

const env = { PATH: process.env["PATH"] ?? "" }

export const isEvent = (event: string) => (message: Message): boolean => message["event"] === event

/** A Node process that takes locks in a directory when it is told to. */
export const lockWorker = (directory: string) =>
  Effect.flatMap(
    Bundle.make(new URL("./lockWorker.ts", import.meta.url)),
    (bundle) => ChildProcess.spawn({ args: [bundle, directory], env })
  )

/** `flock(1)`, a foreign program, which holds a file until its stdin ends. */
export const foreignHolder = (path: string) =>
  Effect.tap(
    ChildProcess.spawn({
      program: "flock",
      args: ["--no-fork", path, "sh", "-c", "echo '{\"event\":\"locked\"}'; read line"],
      env
    }),
    (child) => child.message(isEvent("locked"))
  )

/** Whether `flock(1)` could take a file now. It takes it and gives it back. */
export const isFree = (path: string): boolean => {
  const { error, status } = Cp.spawnSync("flock", ["-n", "-E", "75", path, "true"], { env })
  if (error !== undefined || (status !== 0 && status !== 75)) {
    throw new Error(`flock(1) of util-linux is needed for this test: ${error?.message ?? `it ended with ${status}`}`)
  }
  return status === 0
}

/** Lets events arrive until something is so. The test's own timeout bounds it. */
export const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  })
