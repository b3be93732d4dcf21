/**
 * Notes when this process replaces a file, whichever package does it: the standard library is wrapped, because the
 * peers offer no place to look. Load it before anything that writes.
 *
 * @since 0.1.0
 */
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import * as Monotonic from "./Monotonic.js"

let watched: string | undefined
let at: number | undefined

const note = (target: unknown): void => {
  if (target === watched && watched !== undefined) at = Monotonic.now()
}

const { renameSync, writeFileSync } = fs
const { rename, writeFile } = fs.promises

// The moment before the call, so that no process can have seen the new file earlier.
fs.renameSync = (from, to) => {
  note(to)
  renameSync(from, to)
}
fs.writeFileSync = (file, ...rest) => {
  note(file)
  writeFileSync(file, ...rest)
}
fs.promises.rename = (from, to) => {
  note(to)
  return rename(from, to)
}
fs.promises.writeFile = (file, ...rest) => {
  note(file)
  return writeFile(file, ...rest)
}
syncBuiltinESMExports()

/**
 * Notes the writes of this file from now on, and forgets the earlier ones.
 *
 * @since 0.1.0
 * @category combinators
 */
export const watch = (path: string): void => {
  watched = path
  at = undefined
}

/**
 * When the file was last replaced by this process, if it was.
 *
 * @since 0.1.0
 * @category getters
 */
export const writtenAt = (): number | undefined => at
