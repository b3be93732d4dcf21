// The packages that are published, as the workspace has them.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

export const top = resolve(import.meta.dirname, "..")

export const packages = readdirSync(join(top, "packages"))
  .map((name) => join(top, "packages", name))
  .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) }))
  .filter(({ manifest }) => manifest.private !== true)
  .map(({ folder, manifest }) => ({ folder, manifest, name: manifest.name }))

/** Whether a file of a library's `dist` is left over from a source that is gone. The front door clears its folder itself. */
export const isStale = ({ folder, name }, file) =>
  name !== "lockstep" && /\.(js|d\.ts)(\.map)?$/.test(file) &&
  !existsSync(join(folder, "src", file.replace(/(\.d)?\.[jt]s(\.map)?$/, ".ts")))
