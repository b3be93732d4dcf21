import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"
import { bundle } from "../../build.mjs"
import * as KeptCode from "./KeptCode.js"

declare module "vitest" {
  export interface ProvidedContext {
    /** The command, bundled from the sources of this very run. */
    readonly lockstep: string
  }
}

const dist = fileURLToPath(new URL("../../dist/", import.meta.url))

// Below the package, because the bundle looks for koffi from where it lies.
export const provide = async (project: TestProject): Promise<() => Promise<void>> => {
  await mkdir(dist, { recursive: true })
  const root = await mkdtemp(join(dist, "test-"))
  const bin = join(root, "bin", "lockstep.js")
  await bundle(join(root, "dist"))
  await mkdir(join(root, "bin"))
  for (const file of ["lockstep.js", "package.json"]) {
    await copyFile(fileURLToPath(new URL(`../../bin/${file}`, import.meta.url)), join(root, "bin", file))
  }
  await KeptCode.make(bin)
  project.provide("lockstep", bin)
  return () => rm(root, { recursive: true, force: true })
}
