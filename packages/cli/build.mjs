/**
 * Bundles the command: a tiny entry, the command behind one dynamic import, and what is heavy behind further ones.
 *
 * Only koffi stays outside: it is native code, and there are machines without it.
 */
import { build } from "esbuild"
import { rm } from "node:fs/promises"
import { fileURLToPath } from "node:url"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** CommonJS dependencies inside an ES module still ask for `require`. */
const banner = "import{createRequire as __createRequire}from\"node:module\";" +
  "const require=__createRequire(import.meta.url);"

/**
 * A dynamic import of a CommonJS package becomes a chunk with nothing but a default export, while Node finds its names,
 * too. A module in between names what is used.
 */
const namedUndici = {
  name: "named-undici",
  setup: ({ onLoad, onResolve }) => {
    onResolve(
      { filter: /^undici$/ },
      ({ kind, resolveDir }) =>
        kind === "dynamic-import" ? { path: "undici", namespace: "named", pluginData: { resolveDir } } : undefined
    )
    onLoad({ filter: /^undici$/, namespace: "named" }, ({ pluginData }) => ({
      contents: "export { Agent, EnvHttpProxyAgent, fetch } from \"undici\"",
      resolveDir: pluginData.resolveDir
    }))
  }
}

/** No dependency asserts with Node's own module: see there why. */
const ownAssert = {
  name: "own-assert",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^(?:node:)?assert(?:\/strict)?$/ }, () => ({ path: here("assert.cjs") }))
  }
}

/** Writes the bundle into a folder below this package, where koffi can be found. */
export const bundle = async (outdir) => {
  const options = {
    outdir,
    absWorkingDir: here("."),
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    conditions: ["@lockstep/source"],
    external: ["koffi", "@parcel/watcher"],
    minify: true,
    keepNames: false,
    legalComments: "none",
    logLevel: "warning"
  }
  // The entry has a build of its own: shared with the rest it would load a chunk for the few lines they have in common.
  await build({ ...options, entryPoints: ["src/main.ts"], external: [...options.external, "./Program.js"] })
  await build({
    ...options,
    entryPoints: ["src/Program.ts", "src/probe.ts"],
    plugins: [namedUndici, ownAssert],
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    banner: { js: banner }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outdir = here("dist")
  await rm(here("dist/chunks"), { recursive: true, force: true })
  await bundle(outdir)
}
