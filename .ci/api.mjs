// The public interface of each published package, as the compiler emits it, in `api.txt` of the package: a change of the
// interface is a change of that file, and is seen in a review. `--write` brings the files up to date. Needs a build.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { isStale, packages, top } from "./packages.mjs"

/** Declarations without comments, maps and blank lines: what a user's compiler sees. */
const bare = (text) =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "" && !/^\s*\/\//.test(line))
    .join("\n")

/** Files that users can name: everything but what is internal. The front door has its own folder. */
const declarations = ({ folder, name }) => {
  const dist = join(folder, "dist", name === "lockstep" ? "api" : "")
  return {
    dist,
    files: readdirSync(dist, { recursive: true })
      .filter((file) => file.endsWith(".d.ts") && !file.split(/[\\/]/).includes("internal"))
      .filter((file) => !isStale({ folder, name }, file))
      .sort()
  }
}

const report = (one) => {
  const { dist, files } = declarations(one)
  if (files.length === 0) throw new Error(`${one.name} has no declarations: build it first`)
  return files.map((file) => `== ${file.replace(/\.d\.ts$/, "")}\n${bare(readFileSync(join(dist, file), "utf8"))}\n`)
    .join("\n")
}

/** The packages whose report is not what is built; with `write` they are written. */
export const outdated = (write) =>
  packages.filter((one) => {
    const path = join(one.folder, "api.txt")
    const text = report(one)
    if (existsSync(path) && readFileSync(path, "utf8") === text) return false
    if (write) writeFileSync(path, text)
    return true
  }).map(({ folder }) => join(relative(top, folder), "api.txt"))

if (process.argv[1] === import.meta.filename) {
  const write = process.argv.includes("--write")
  const changed = outdated(write)
  if (changed.length > 0 && !write) {
    console.error(
      `the public interface has changed: run \`npm run api\` and look at the difference of ${changed.join(", ")}`
    )
    process.exitCode = 1
  } else {console.log(
      changed.length === 0 ? "the public interface is as it is written down" : `written: ${changed.join(", ")}`
    )}
}
