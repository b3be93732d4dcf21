/**
 * Bundles the command: a tiny start, the program behind it in chunks, and what is heavy behind further ones.
 *
 * The chunks are CommonJS, because the start loads them with the code that V8 made of them before, and Node 20 offers
 * that for no other kind of module. esbuild shares code among chunks of ES modules only, so it makes those, and each is
 * turned into CommonJS afterwards.
 *
 * Only koffi stays outside: it is native code, and there are machines without it. What is native of pg is not used.
 */
import { build } from "esbuild"
import { createHash } from "node:crypto"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What a module says of its own place. */
const URL_OF_CHUNK = "__url"

/** What a bundle finds where it lies: native code, and the files beside the start. */
export const external = [
  "koffi",
  "@parcel/watcher",
  "pg-native",
  "./help.js",
  "./help.json",
  "./keeper.js",
  "./exec.js",
  "./turn.js"
]

const options = {
  absWorkingDir: here("."),
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  conditions: ["@lockstep/source"],
  external,
  define: { "import.meta.url": URL_OF_CHUNK },
  minify: true,
  keepNames: false,
  legalComments: "none",
  logLevel: "warning",
  write: false
}

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

const place = `const ${URL_OF_CHUNK}=require("node:url").pathToFileURL(__filename).href;`

/** Chunks are imported first, and what is Node's own wherever a module did. */
const IMPORT = /(?<=^|[;}\n])import(?:\s*(?:([\w$]+)\s*,?)?\s*(?:\*as ([\w$]+)|\{([^}]*)\})?\s*from)?"([^"]+)";/g
const EXPORT = /export\{([^}]*)\};\s*$/

/** `a as b` in an import is `a:b` in a pattern, and `b:a` in the object of what is exported. */
const names = (list, [from, to]) =>
  list.split(",").filter((one) => one !== "").map((one) => {
    const parts = one.split(" as ")
    return `${parts[from] ?? parts[0]}:${parts[to] ?? parts[0]}`
  }).join(",")

/**
 * Turns a chunk of esbuild's into CommonJS.
 *
 * esbuild's own way keeps every import live, by a getter for each of some thousand names, and that alone costs as much as
 * a start of Node. Chunks do not import each other in circles, and none of their names changes once its chunk has run, so
 * plain constants do. What is written here reads exactly what esbuild writes, and fails on anything else.
 */
const toCommonJs = (code, { exports, imports }) => {
  const kind = (name) => imports.filter((one) => one.kind === name).map(({ path }) => path)
  const read = new Set()
  let head = ""
  const body = code.replace(IMPORT, (_, byDefault, whole, list, from) => {
    const module = `require(${JSON.stringify(from)})`
    read.add(from)
    if (byDefault !== undefined) head += `const ${byDefault}=${module};`
    if (whole !== undefined) head += `const ${whole}=${module};`
    if (list !== undefined) head += `const {${names(list, [0, 1])}}=${module};`
    if (byDefault === undefined && whole === undefined && list === undefined) head += `${module};`
    return ""
  })
  const exported = EXPORT.exec(body)
  const given = exported === null ? [] : exported[1].split(",")
  let loaded = 0
  const inner = (exported === null ? body : body.slice(0, exported.index)).replace(/\bimport\("/g, () => {
    loaded++
    return "__import(\""
  })
  const isWhole = read.size === new Set(kind("import-statement")).size && given.length === exports.length &&
    loaded === kind("dynamic-import").length
  if (!isWhole) throw new Error("a chunk is not as it was expected")
  return exported === null ? head + inner : `${head}${inner}module.exports={${names(exported[1], [1, 0])}};`
}

/**
 * Node's own modules are used as they are, and asked for once. esbuild copies each member of one, by a getter, for each file
 * that imports it: a thousand definitions before the start of the command does anything.
 */
const direct = (code) => {
  const modules = new Set()
  const nameOf = (module) => `__node_${module.replaceAll("/", "_")}`
  const text = code.replace(/\b[\w$]+\(require\("node:([\w/]+)"\),1\)/g, (_, module) => {
    modules.add(module)
    return nameOf(module)
  })
  if (/[\w$]\(require\("node:/.test(text)) {
    throw new Error("a module of Node is imported in a way that was not expected")
  }
  const asked = [...modules].map((module) => `const ${nameOf(module)}=require("node:${module}");`).join("")
  return `${asked}${text.includes(URL_OF_CHUNK) ? place : ""}${text}`
}

/** A chunk is a function of what Node gives to a module, so that it is compiled as it is read. */
const wrapped = (code) =>
  `(function(module,require,__import,__filename){${code.includes(URL_OF_CHUNK) ? place : ""}${code}})`

/** No dependency asserts with Node's own module: see there why. */
const ownAssert = {
  name: "own-assert",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^(?:node:)?assert(?:\/strict)?$/ }, () => ({ path: here("assert.cjs") }))
  }
}

/** Every page of help, as the parser knows them now. */
const helpBook = async (outdir) => {
  const { outputFiles: [{ text }] } = await build({
    ...options,
    format: "cjs",
    outdir,
    entryPoints: { manual: "src/line/Manual.ts" }
  })
  const module = { exports: {} }
  const require = createRequire(import.meta.url)
  new Function("module", "exports", "require", URL_OF_CHUNK, text)(module, module.exports, require, import.meta.url)
  return module.exports.book()
}

/**
 * What the start loads. Each is built for itself: of what they have in common, Effect above all, each then has in few files
 * the part that it uses. Together, each of them would load what any of them uses, from many.
 */
const PROGRAMS = {
  program: "src/Program.ts",
  refresh: "src/RefreshProgram.ts",
  look: "src/LookProgram.ts"
}

/** Writes the bundle into a folder below this package, where koffi can be found. */
export const bundle = async (outdir) => {
  const chunks = (await Promise.all(
    Object.entries(PROGRAMS).map(async ([name, entry]) => {
      const { metafile, outputFiles } = await build({
        ...options,
        outdir,
        metafile: true,
        entryPoints: { [name]: entry },
        plugins: [namedUndici, ownAssert],
        splitting: true,
        chunkNames: `${name}/[name]-[hash]`
      })
      const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [here(path), output]))
      return outputFiles.map(({ path, text }) => ({ path, text: wrapped(toCommonJs(text, outputs.get(path))) }))
    })
  )).flat()

  const alone = async (entry, name = entry, define = {}) => {
    const { outputFiles: [file] } = await build({
      ...options,
      format: "cjs",
      outdir,
      entryPoints: { [name]: entry },
      define: { ...options.define, ...define }
    })
    return { path: file.path, text: direct(file.text) }
  }
  // The start has a build of its own: shared with the rest it would load a chunk for the few lines they have in common.
  for (const [entry, name] of [["src/start/Start.ts", "start"], ["src/start/FastTurn.ts", "turn"]]) {
    const { path, text } = await alone(entry, name)
    chunks.push({ path, text: wrapped(text) })
  }

  const hash = createHash("sha256")
  for (const { path, text } of chunks) hash.update(`${relative(outdir, path)}\0${text}\0`)
  const id = hash.digest("hex").slice(0, 16)

  const files = [
    ...chunks,
    await alone("src/main.ts", "main", { BUNDLE: JSON.stringify(id) }),
    await alone("src/probe.ts", "probe"),
    await alone("src/HelpProgram.ts", "help"),
    await alone("src/start/FastKeeper.ts", "keeper"),
    await alone("src/start/FastExec.ts", "exec"),
    { path: join(outdir, "help.json"), text: `${JSON.stringify(await helpBook(outdir))}\n` },
    { path: join(outdir, "package.json"), text: "{\"type\":\"commonjs\"}\n" }
  ]
  for (const stale of [...Object.keys(PROGRAMS), "cache"]) {
    await rm(join(outdir, stale), { recursive: true, force: true })
  }
  for (const { path, text } of files) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(here("dist"))
