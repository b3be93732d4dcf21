/**
 * Bundles what programs import: `import { open } from "lockstep"`. A build of its own, of ES modules, beside that of the
 * command, so that a program loads no parser and no code of commands that it does not call.
 *
 * Native code stays outside, as in the command: koffi, and the keyring binding, which a helper process loads.
 */
import { build } from "esbuild"
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** Packages written for CommonJS ask for modules of Node by a function that ES modules do not have. */
const REQUIRE =
  "import{createRequire as __createRequire}from\"node:module\";const require=__createRequire(import.meta.url);"

/** The published types, and what they are made of: nothing that names another package. */
const TYPES = ["index", "promise/Lockstep", "promise/LockstepError", "promise/open"]

const withoutMap = (text) => text.replace(/^\/\/# sourceMappingURL=.*\n?/m, "")

/** Writes the types that the compiler made of the sources. */
const writeTypes = async (outdir) => {
  for (const name of TYPES) {
    const text = withoutMap(await readFile(here(`dist/types/${name}.d.ts`), "utf8"))
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "")
    const foreign = [...code.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, from]) => from)
      .filter((from) => !TYPES.some((one) => from.endsWith(`/${one.split("/").at(-1)}.js`)))
    if (foreign.length > 0) throw new Error(`the published types name ${foreign.join(", ")} (${name}.d.ts)`)
    const path = join(outdir, `${name}.d.ts`)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}

/** The types of what asks a keeper lie beside its sources, and import nothing else. */
const KEEPER = ["KeeperClient", "KeeperWire"]

const writeKeeperTypes = async (outdir) => {
  await mkdir(join(outdir, "keeper"), { recursive: true })
  for (const name of KEEPER) {
    const text = withoutMap(await readFile(here(`../serve/dist/${name}.d.ts`), "utf8"))
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "")
    const foreign = [...code.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, from]) => from)
      .filter((from) => !KEEPER.some((one) => from === `./${one}.js`))
    if (foreign.length > 0) throw new Error(`the published types name ${foreign.join(", ")} (${name}.d.ts)`)
    await writeFile(join(outdir, "keeper", `${name}.d.ts`), text)
  }
  const text = withoutMap(await readFile(here("dist/types/keeper.d.ts"), "utf8"))
  await writeFile(
    join(outdir, "keeper.d.ts"),
    text.replaceAll("@lockstep/serve/KeeperClient", "./keeper/KeeperClient.js")
  )
}

/** Writes the bundle into a folder below this package, where koffi can be found. Answers with what it is made of. */
export const bundleFrontDoor = async (outdir) => {
  await rm(outdir, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: here("."),
    entryPoints: { index: "src/index.ts", keeper: "src/keeper.ts" },
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    format: "esm",
    platform: "node",
    target: "node20.19",
    conditions: ["@lockstep/source"],
    external: ["koffi"],
    banner: { js: REQUIRE },
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    metafile: true
  })
  await writeFile(join(outdir, "package.json"), "{\"type\":\"module\",\"sideEffects\":false}\n")
  return metafile
}

/** The keyring's helper is a program, found from the bundle upwards: see `NativeKeyring`. */
export const copyHelper = async (outdir) => {
  await mkdir(join(outdir, "bin"), { recursive: true })
  await cp(here("../node/bin/keyring.cjs"), join(outdir, "bin", "keyring.cjs"))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundleFrontDoor(here("dist/api"))
  await writeTypes(here("dist/api"))
  await writeKeeperTypes(here("dist/api"))
  await copyHelper(here("dist"))
}
