/**
 * Makes the command as one executable for people without Node: Node's single executable application, with the program in it and
 * the native parts beside it, which no executable can load from within itself.
 *
 *     node packages/cli/binary.mjs [FOLDER]
 *
 * FOLDER (`dist/binary`) then has `lockstep` and `lockstep-native`, which are moved together. The executable is the Node that runs
 * this, for its system and processor. Needs a build.
 */
import { build } from "esbuild"
import { execFileSync } from "node:child_process"
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { inject } from "postject"
import { external } from "./build.mjs"

const here = fileURLToPath(new URL(".", import.meta.url))
const NATIVE = "lockstep-native"

/** Node's documentation gives this word: what is put into the executable is found by it. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2"

/** Everything that the start loads, by name: programs with their chunks, and what lies beside it. */
const filesOf = (dist) => {
  const alone = readdirSync(dist).filter((name) =>
    /\.js$|^help\.json$/.test(name) && !["main.js", "probe.js"].includes(name)
  )
  const chunks = alone.map((name) => name.replace(/\.js$/, ""))
    .filter((name) => statSync(join(dist, name), { throwIfNoEntry: false })?.isDirectory() === true)
    .flatMap((name) =>
      readdirSync(join(dist, name)).filter((file) => file.endsWith(".js")).map((file) => `${name}/${file}`)
    )
  return [...alone, ...chunks].map((name) => [name, readFileSync(join(dist, name), "utf8")])
}

/** The start, which takes the chunks from the executable. */
const start = async () => {
  const { outputFiles: [{ text }] } = await build({
    absWorkingDir: here,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20.19",
    conditions: ["@lockstep/source"],
    external,
    define: { "import.meta.url": "__url", BUNDLE: "\"executable\"" },
    banner: { js: "const __url=require(\"node:url\").pathToFileURL(__filename).href;" },
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
    outdir: here,
    entryPoints: { main: "src/main.ts" },
    plugins: [{
      name: "embedded",
      setup: ({ onResolve }) =>
        onResolve({ filter: /\/CodeCache\.js$/ }, () => ({ path: join(here, "src/start/EmbeddedCode.ts") }))
    }]
  })
  return text
}

/**
 * What the executable runs first. A process that it starts is called with the path of the executable, or of one of the two
 * small programs beside it.
 */
const bootstrap = `"use strict"
const path = require("node:path")
const { createRequire } = require("node:module")
const native = path.join(path.dirname(process.execPath), ${JSON.stringify(NATIVE)})
const beside = createRequire(path.join(native, "dist", "main.js"))
const args = process.argv.slice(2)
if (args[0] === process.execPath) args.shift()
if (args[0] !== undefined && path.isAbsolute(args[0]) && path.dirname(path.dirname(args[0])) === native) {
  process.argv = [process.execPath, ...args]
  beside(args[0])
} else {
  process.argv = [process.execPath, process.execPath, ...args]
  const files = new Map(JSON.parse(require("node:sea").getAsset("files", "utf8")))
  globalThis[Symbol.for("lockstep.files")] = files
  const run = (name, text) => {
    const module = { exports: {} }
    const filename = path.join(native, "dist", name)
    const own = (wanted) => {
      const text = wanted.startsWith("./") ? files.get(wanted.slice(2)) : undefined
      return text === undefined ? beside(wanted) : wanted.endsWith(".json") ? JSON.parse(text) : run(wanted.slice(2), text)
    }
    new Function("module", "exports", "require", "__filename", "__dirname", text)(
      module, module.exports, own, filename, path.dirname(filename)
    )
    return module.exports
  }
  run("main.js", require("node:sea").getAsset("main", "utf8"))
}
`

/** Copies a package and what it depends on, as far as it is installed here: other systems' native parts are not. */
const copyNative = (name, from, to, seen = new Set()) => {
  if (seen.has(name)) return
  let folder
  for (let at = from;; at = dirname(at)) {
    folder = join(at, "node_modules", name)
    try {
      readFileSync(join(folder, "package.json"))
      break
    } catch {
      if (dirname(at) === at) return
    }
  }
  seen.add(name)
  cpSync(folder, join(to, "node_modules", name), { recursive: true, dereference: true })
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8")
  )
  for (const one of Object.keys({ ...dependencies, ...optionalDependencies })) copyNative(one, from, to, seen)
}

/** Makes the executable of a bundle in a folder, which is emptied first. */
export const make = async (out, dist = join(here, "dist")) => {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(join(out, NATIVE, "dist"), { recursive: true })
  mkdirSync(join(out, NATIVE, "bin"), { recursive: true })
  const work = mkdtempSync(join(tmpdir(), "lockstep-binary-"))
  try {
    const put = (name, text) => {
      writeFileSync(join(work, name), text)
      return join(work, name)
    }
    const config = {
      main: put("bootstrap.cjs", bootstrap),
      output: join(work, "blob"),
      disableExperimentalSEAWarning: true,
      assets: { files: put("files.json", JSON.stringify(filesOf(dist))), main: put("main.js", await start()) }
    }
    execFileSync(process.execPath, ["--experimental-sea-config", put("sea.json", JSON.stringify(config))], {
      stdio: "ignore"
    })
    const executable = join(out, process.platform === "win32" ? "lockstep.exe" : "lockstep")
    copyFileSync(process.execPath, executable)
    chmodSync(executable, 0o755)
    // On macOS the signature of Node goes with its content; without one of its own the system runs no program there.
    if (process.platform === "darwin") execFileSync("codesign", ["--remove-signature", executable])
    await inject(executable, "NODE_SEA_BLOB", readFileSync(config.output), {
      sentinelFuse: FUSE,
      ...(process.platform === "darwin" ? { machoSegmentName: "NODE_SEA" } : {})
    })
    if (process.platform === "darwin") execFileSync("codesign", ["--sign", "-", executable])
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  copyFileSync(join(dist, "probe.js"), join(out, NATIVE, "dist", "probe.js"))
  copyFileSync(
    createRequire(import.meta.url).resolve("../node/bin/keyring.cjs"),
    join(out, NATIVE, "bin", "keyring.cjs")
  )
  for (const [name, file] of [["NOTICE", join(here, "NOTICE")], ["LICENSE", join(here, "../../LICENSE")]]) {
    if (existsSync(file)) copyFileSync(file, join(out, NATIVE, name))
  }
  writeFileSync(join(out, NATIVE, "package.json"), "{\"type\":\"commonjs\"}\n")
  const { dependencies } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"))
  for (const name of Object.keys(dependencies)) copyNative(name, here, join(out, NATIVE))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const out = resolve(process.argv[2] ?? join(here, "../../dist/binary"))
  await make(out)
  console.log(out)
}
