/**
 * Writes NOTICE: every package whose code is inside of the bundles, with its licence. What is bundled is read from what
 * esbuild takes for these entries, so that no list has to be kept; a package without a licence fails the build.
 */
import { build } from "esbuild"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** Licences whose terms this file fulfils. */
const FULFILLED = new Set(["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD"])

/** What `build.mjs` and `front-door.mjs` bundle. */
export const ENTRIES = [
  "src/main.ts",
  "src/start/Start.ts",
  "src/Program.ts",
  "src/RefreshProgram.ts",
  "src/LookProgram.ts",
  "src/HelpProgram.ts",
  "src/start/FastKeeper.ts",
  "src/start/FastExec.ts",
  "src/start/FastTurn.ts",
  "src/line/Manual.ts",
  "src/probe.ts",
  "src/index.ts",
  "src/keeper.ts"
]

/** What the bundles are made of, found once more with what makes no difference to that left out. */
const inputs = async () => {
  const { metafile } = await build({
    absWorkingDir: here("."),
    entryPoints: ENTRIES,
    outdir: here("dist"),
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    conditions: ["@lockstep/source"],
    external: ["koffi", "@parcel/watcher", "./help.js", "./help.json", "./keeper.js", "./exec.js", "./turn.js"],
    define: { BUNDLE: "\"\"" },
    logLevel: "error",
    metafile: true,
    write: false
  })
  const outputs = Object.values(metafile.outputs)
  return new Set(outputs.flatMap(({ inputs }) => Object.keys(inputs)).map((path) => here(path)))
}

const folderOf = (file) => {
  for (let folder = dirname(file); folder.includes("node_modules"); folder = dirname(folder)) {
    const path = join(folder, "package.json")
    // Packages have further manifests inside, which only say what kind of module a folder holds.
    if (existsSync(path) && JSON.parse(readFileSync(path, "utf8")).version !== undefined) return folder
  }
  throw new Error(`${file} belongs to no package`)
}

/** The text of a licence has a file of its own, or is the last section of the package's README. */
const textOf = (folder, id) => {
  const read = (pattern) => {
    const name = readdirSync(folder).find((one) => pattern.test(one))
    return name === undefined ? undefined : readFileSync(join(folder, name), "utf8").replaceAll("\r\n", "\n")
  }
  const text = read(/^licen[cs]e(\.(md|txt))?$/i) ?? /^#+ *licen[cs]e\n(.*)/ims.exec(read(/^readme\.md$/i) ?? "")?.[1]
  if (text === undefined || !/copyright/i.test(text)) throw new Error(`${id} brings no text of its licence`)
  return text.trim()
}

/** Everything bundled, in the order of the names. */
export const notices = async () => {
  const folders = new Set([...await inputs()].filter((path) => path.includes("/node_modules/")).map(folderOf))
  const found = [...folders].map((folder) => {
    const { license, name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
    const id = `${name} ${version}`
    if (!FULFILLED.has(license)) {
      throw new Error(`${id} has the licence ${license}, whose terms have to be looked at first`)
    }
    return { id, license, text: textOf(folder, id) }
  })
  return found.sort((one, other) => one.id < other.id ? -1 : 1)
}

/** The text of NOTICE. */
export const render = (found) =>
  [
    "Lockstep is distributed with code of the packages below, bundled into the files of `dist`.\n",
    ...found.map(({ id, license, text }) => `${"=".repeat(80)}\n${id} (${license})\n${"=".repeat(80)}\n\n${text}\n`)
  ].join("\n")

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = await notices()
  await writeFile(here("NOTICE"), render(found))
}
