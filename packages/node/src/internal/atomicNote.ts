/** Small files that say who holds a lock: seen whole or not at all. */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ownership from "../Ownership.js"

const temporary = (path: string): string => `${path}.${process.pid}.${Crypto.randomBytes(6).toString("hex")}.tmp`

const withTemporary = <A>(path: string, text: string, use: (temporary: string) => A): A => {
  const name = temporary(path)
  try {
    const fd = Fs.openSync(name, "wx", 0o600)
    try {
      Ownership.give(fd, Fs.statSync(Path.dirname(path)))
      Fs.writeSync(fd, text)
    } finally {
      Fs.closeSync(fd)
    }
    return use(name)
  } finally {
    Fs.rmSync(name, { force: true })
  }
}

/** Puts a note in place of whatever is there. Throws. */
export const replace = (path: string, text: string): void =>
  withTemporary(path, text, (name) => Fs.renameSync(name, path))

/** Puts a note where no file is yet, by `link(2)`. Throws `EEXIST` where there is one. */
export const create = (path: string, text: string): void => withTemporary(path, text, (name) => Fs.linkSync(name, path))
