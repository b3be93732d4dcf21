/**
 * Makes one runnable file of an entry in TypeScript: Node 20 strips no types, and a process that is raced should not
 * spend its time on resolving modules.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { rename } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as RunDirectory from "./RunDirectory.js"

/**
 * The variable that names a directory where the bundles of one run of the tests lie, so that its files share them. Without
 * it each process that bundles has a directory of its own.
 *
 * @since 0.1.0
 * @category constants
 */
export const DIRECTORY = "LOCKSTEP_TEST_BUNDLES"

/** The variable that makes stacks name the sources, at twice the price of a start. */
const SOURCE_MAPS = "LOCKSTEP_TEST_SOURCE_MAPS"

const made = new Map<string, Promise<string>>()
let own: string | undefined

const require = createRequire(import.meta.url)

const directory = (): string => process.env[DIRECTORY] ?? (own ??= RunDirectory.make(tmpdir(), "lockstep-bundle"))

const build = async (entry: string): Promise<string> => {
  const outfile = join(
    directory(),
    `${basename(entry).replace(/\.[jt]s$/, "")}-${createHash("sha256").update(entry).digest("hex").slice(0, 8)}.mjs`
  )
  if (existsSync(outfile)) return outfile
  const esbuild = await import("esbuild")
  // Two test files may build the same one: each renames a whole file into its place.
  const beside = `${outfile}.${process.pid}`
  await esbuild.build({
    entryPoints: [entry],
    outfile: beside,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: process.env[SOURCE_MAPS] === undefined ? false : "inline",
    logLevel: "silent",
    // The sources of the workspace, like the tests themselves, and never what was built last.
    conditions: ["@lockstep/source", "module"],
    banner: {
      js: "import { createRequire as bundleRequire } from 'node:module'\nconst require = bundleRequire(import.meta.url)"
    },
    plugins: [{
      // A native addon is found by its path: the bundle lies where there are no node_modules.
      name: "native",
      setup: (plugin) => {
        plugin.onResolve({ filter: /^koffi$/ }, () => ({
          path: pathToFileURL(require.resolve("koffi")).href,
          external: true
        }))
      }
    }]
  })
  await rename(beside, outfile)
  return outfile
}

/**
 * Flags for a process that runs a bundle.
 *
 * @since 0.1.0
 * @category constants
 */
export const FLAGS: ReadonlyArray<string> = process.env[SOURCE_MAPS] === undefined ? [] : ["--enable-source-maps"]

/**
 * Bundles an entry and answers with the path of the runnable file; once per entry and run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (entry: string | URL): Effect.Effect<string> =>
  Effect.promise(() => {
    const path = typeof entry === "string" ? entry : fileURLToPath(entry)
    const known = made.get(path)
    if (known !== undefined) return known
    const bundle = build(path)
    made.set(path, bundle)
    return bundle
  })
