// Type-checks every TypeScript block of the documents against the sources, looks at their links, and at the tests by which
// SECURITY.md holds its promises.
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"

const top = resolve(import.meta.dirname, "..")
const out = join(top, "scratchpad", ".docs")
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const documents = [
  ...readdirSync(top).filter((name) => name.endsWith(".md")).map((name) => join(top, name)),
  ...readdirSync(join(top, "docs"), { recursive: true })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(top, "docs", name)),
  ...readdirSync(join(top, "packages")).map((name) => join(top, "packages", name, "README.md")).filter(existsSync)
]

const broken = []
let blocks = 0
for (const path of documents) {
  const text = readFileSync(path, "utf8")
  for (const [, code] of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
    const name = `${relative(top, path).replaceAll(/[^a-z0-9]+/gi, "-")}-${++blocks}.ts`
    writeFileSync(join(out, name), code)
  }
  for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
    if (!/^[a-z]+:/.test(target) && !existsSync(resolve(dirname(path), target))) {
      broken.push(`${relative(top, path)}: ${target}`)
    }
  }
}

/** What is promised is said in bold at the beginning of an item; each needs a test, which is there and says what is told. */
const unheld = () => {
  const text = readFileSync(join(top, "SECURITY.md"), "utf8")
  const section = (title) => new RegExp(`^## ${title}\\n([\\s\\S]*?)(?=^## )`, "m").exec(text)?.[1] ?? ""
  const promises = [...section("What is promised").matchAll(/^- \*\*(.+?)\.?\*\*/gm)].map(([, name]) => name)
  const rows = [...section("What holds the promises").matchAll(/^\| (.+?) +\| \[.+?\]\((.+?)\) +\| (.+?) +\|$/gm)]
  if (promises.length < 10 || rows.length < promises.length) return ["the promises or their tests cannot be read"]
  // A word between quotes may be written with them escaped.
  const says = (path, title) =>
    existsSync(join(top, path)) &&
    readFileSync(join(top, path), "utf8").replaceAll("\\\"", "\"").includes(title.replaceAll("\\|", "|"))
  return [
    ...promises.filter((name) => !rows.some(([, promise]) => promise === name)).map((name) => `${name}: no test`),
    ...rows.filter(([, promise]) => !promises.includes(promise)).map(([, promise]) => `${promise}: no such promise`),
    ...rows.filter(([, , path, title]) => !says(path, title)).map(([, , path, title]) =>
      `${path}: "${title}" is not there`
    )
  ]
}

try {
  const missing = unheld()
  if (missing.length > 0) throw new Error(`SECURITY.md and the tests differ:\n  ${missing.join("\n  ")}`)
  if (blocks === 0) throw new Error("no example was found")
  if (broken.length > 0) throw new Error(`links that lead nowhere:\n  ${broken.join("\n  ")}`)
  writeFileSync(
    join(out, "tsconfig.json"),
    JSON.stringify({
      extends: "../tsconfig.json",
      include: ["*.ts"],
      compilerOptions: {
        composite: false,
        noEmit: true,
        noUnusedLocals: false,
        tsBuildInfoFile: null,
        lib: ["ES2023", "DOM", "DOM.Iterable"]
      },
      references: []
    })
  )
  execFileSync(process.execPath, [join(top, "node_modules/typescript/bin/tsc"), "-p", join(out, "tsconfig.json")], {
    stdio: "inherit"
  })
  console.log(`${blocks} examples of ${documents.length} documents compile`)
} finally {
  rmSync(out, { recursive: true, force: true })
}
