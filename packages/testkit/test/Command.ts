/**
 * The `lockstep` command as it is shipped, bundled from the sources for this run: never what was built last.
 */
import * as RunDirectory from "@lockstep/testkit/processes/RunDirectory"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

let bundled: Promise<string> | undefined

const bundle = async (): Promise<string> => {
  const { bundle } = await import(new URL("../../cli/build.mjs", import.meta.url).href) as {
    readonly bundle: (directory: string) => Promise<void>
  }
  // Below the workspace, where the native addon is found.
  const directory = RunDirectory.make(fileURLToPath(new URL("../dist", import.meta.url)), "command")
  await bundle(directory)
  return join(directory, "main.js")
}

/** The path of the command's entry. */
export const entry: Effect.Effect<string> = Effect.promise(() => bundled ??= bundle())
