/** Names that people build dashboards on: what docs/observability.md promises, the code has, and the other way round. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Doc from "./support/ObservabilityDoc.js"

const packages = fileURLToPath(new URL("../../", import.meta.url))

const sources = readdirSync(packages)
  .filter((name) => name !== "testkit")
  .flatMap((name) => {
    const directory = join(packages, name, "src")
    return readdirSync(directory, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => ({ file: `${name}/src/${file}`, text: readFileSync(join(directory, file), "utf8") }))
  })

/** Names that are made of a part which varies, and what it may be. */
const PARTS: Readonly<Record<string, ReadonlyArray<string>>> = {
  "lockstep.${commit.act}.settle": ["refresh", "login", "logout"],
  "lockstep.file.${name}": ["write", "sync", "rename"],
  "lockstep.keyring.${operation}": ["get", "set", "remove", "find"]
}

const expand = (name: string): ReadonlyArray<string> =>
  name.includes("${") ? PARTS[name]!.map((part) => name.replace(/\$\{[\w.]+\}/, part)) : [name]

/** Every place where a span begins, and the name that stands there; `Trace` only hands names on. */
const spans = sources.filter(({ file }) => file !== "core/src/Trace.ts").flatMap(({ file, text }) =>
  [...text.matchAll(/\bwithSpan\(|\b(?:Effect\.fn|tracer\.span)\((?=\s*["`])/g)].map(({ index }) => ({
    file,
    name: /^[^]*?["`](lockstep\.[\w.${}]+)["`]/.exec(text.slice(index))?.[1]
  }))
)

/** The arguments of the call that opens here, as far as commas tell them apart. */
const argumentsAt = (text: string): ReadonlyArray<string> => {
  const found = [""]
  let depth = 0
  for (const [piece] of text.matchAll(/`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*"|[^]/g)) {
    if ("([{".includes(piece)) depth++
    if (")]}".includes(piece) && depth-- === 0) break
    if (piece === "," && depth === 0) found.push("")
    else found[found.length - 1] += piece
  }
  return found.map((one) => one.trim())
}

const sorted = (names: Iterable<string>) => [...new Set(names)].sort()

describe("docs/observability.md", () => {
  it("names every metric of the code, and no other", () => {
    const { text } = sources.find(({ file }) => file === "core/src/Metrics.ts")!
    const made = [...text.matchAll(/(?:counter|timer|Metric\.gauge)\(\s*"([^"]+)"/g)].map(([, name]) => name!)
    assert.deepStrictEqual(sorted(Doc.metrics.map(({ name }) => name)), sorted(made))
  })

  it("speaks of the only place where metrics are made", () => {
    const makers = sources.filter(({ text }) =>
      /Metric\.(?:counter|gauge|histogram|summary|timer|frequency)/.test(text)
    )
    assert.deepStrictEqual(makers.map(({ file }) => file), ["core/src/Metrics.ts"])
  })

  it("names every span of the code, and no other", () => {
    assert.deepStrictEqual(spans.filter(({ name }) => name === undefined), [])
    assert.deepStrictEqual(
      sorted(Doc.spans.map(({ name }) => name)),
      sorted(spans.flatMap(({ name }) => expand(name!)))
    )
  })

  it("may say that every entry of the log is one sentence, whose fields are annotations", () => {
    assert.deepStrictEqual(argumentsAt("`a, ${b}`, { c: [1, 2] }), d"), ["`a, ${b}`", "{ c: [1, 2] }"])
    const entries = sources.flatMap(({ file, text }) =>
      [...text.matchAll(/\bEffect\.log(?:[A-Z]\w+)?\(/g)].map(({ 0: call, index }) => ({
        file,
        given: argumentsAt(text.slice(index + call.length))
      }))
    )
    assert.isAbove(entries.length, 10)
    assert.deepStrictEqual(entries.filter(({ given }) => given.length !== 1), [])
  })

  it("names nothing twice", () => {
    const names = [...Doc.metrics, ...Doc.spans].map(({ name }) => name)
    assert.deepStrictEqual(names, [...new Set(names)])
  })
})
