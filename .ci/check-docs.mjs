// Type-checks every TypeScript block of the documents against the sources, and looks at their links.
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

try {
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
