/**
 * What programs without Effect import, bundled from the sources for this run.
 */
import * as RunDirectory from "@lockstep/testkit/processes/RunDirectory"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type * as Stage from "./Stage.js"

let bundled: Promise<string> | undefined

const bundle = async (): Promise<string> => {
  const { bundleFrontDoor } = await import(new URL("../../cli/front-door.mjs", import.meta.url).href) as {
    readonly bundleFrontDoor: (directory: string) => Promise<unknown>
  }
  // Below the workspace, where the native addon is found.
  const directory = join(RunDirectory.make(fileURLToPath(new URL("../dist", import.meta.url)), "front-door"), "api")
  await bundleFrontDoor(directory)
  return pathToFileURL(join(directory, "index.js")).href
}

/** The address of the module. */
export const entry: Effect.Effect<string> = Effect.promise(() => bundled ??= bundle())

const PROGRAM = fileURLToPath(new URL("./fixtures/frontDoor.mjs", import.meta.url))

/** Bounds that end what hangs, and that no busy machine reaches. */
export const PATIENCE = {
  LOCKSTEP_PROVIDER_TIMEOUT: "100s",
  LOCKSTEP_REDEEM_LIMIT: "120s",
  LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "60s",
  LOCKSTEP_LOCK_TIMEOUT: "300s"
}

/** What a program is asked to do. */
export type Act = "accessToken" | "recover" | "refresh" | "status" | "close"

/** Starts a program that imports the front door, and talks to it. */
export const spawn = (stage: Stage.Stage) =>
  Effect.gen(function*() {
    const child = yield* stage.harness.spawn({ args: [PROGRAM, yield* entry], env: PATIENCE })
    yield* child.message(({ event }) => event === "open")
    let count = 0
    const begin = (act: Act, tenant: string) =>
      Effect.gen(function*() {
        const id = ++count
        yield* child.send({ id, act, tenant })
        return {
          outcome: child.message((said) => said["id"] === id),
          abort: child.send({ id, act: "abort" })
        }
      })
    return {
      child,
      begin,
      run: (act: Act, tenant: string) => Effect.flatMap(begin(act, tenant), ({ outcome }) => outcome)
    }
  })
