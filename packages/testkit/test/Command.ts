/**
 * The `lockstep` command as it is shipped, bundled from the sources for this run: never what was built last.
 */
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as RunDirectory from "@lockstep/testkit/processes/RunDirectory"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { rename, symlink } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

let bundled: Promise<string> | undefined

const build = async (directory: string): Promise<void> => {
  const { bundle } = await import(new URL("../../cli/build.mjs", import.meta.url).href) as {
    readonly bundle: (directory: string) => Promise<void>
  }
  await bundle(directory)
}

const bundle = async (): Promise<string> => {
  const shared = process.env[Bundle.DIRECTORY]
  if (shared === undefined) {
    // Below the workspace, where the native addon is found.
    const directory = RunDirectory.make(fileURLToPath(new URL("../dist", import.meta.url)), "command")
    await build(directory)
    return join(directory, "main.js")
  }
  const place = join(shared, "command")
  if (!existsSync(place)) {
    // Two test files may build it at the same time: one whole directory is renamed into its place.
    const beside = `${place}.${process.pid}`
    await build(beside)
    await symlink(fileURLToPath(new URL("../../../node_modules", import.meta.url)), join(beside, "node_modules"))
    await rename(beside, place).catch(() => undefined)
  }
  return join(place, "main.js")
}

/** The path of the command's entry. */
export const entry: Effect.Effect<string> = Effect.promise(() => bundled ??= bundle())
