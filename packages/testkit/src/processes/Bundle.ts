/**
 * Makes one runnable file of an entry in TypeScript: Node 20 strips no types, and a process that is raced should not
 * spend its time on resolving modules.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as RunDirectory from "./RunDirectory.js"

const made = new Map<string, Promise<string>>()
let directory: string | undefined

const require = createRequire(import.meta.url)

const build = async (entry: string): Promise<string> => {
  const esbuild = await import("esbuild")
  const outfile = join(
    directory ??= RunDirectory.make(tmpdir(), "lockstep-bundle"),
    `${basename(entry).replace(/\.[jt]s$/, "")}-${made.size}.mjs`
  )
  await esbuild.build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
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
  return outfile
}

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
