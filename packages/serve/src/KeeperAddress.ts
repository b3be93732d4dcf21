/**
 * Where a keeper is, as a person or a variable names it. No Effect: the start of the command reads it.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as KeeperWire from "./KeeperWire.js"

/**
 * The variable that names a keeper: `unix:/path/of/socket`, or `http://127.0.0.1:PORT`.
 *
 * @since 0.1.0
 * @category constants
 */
export const VARIABLE = "LOCKSTEP_SERVE"

/**
 * The variable that names the file with an agent's key. It is read anew for every request, so that a key can be changed
 * under a running program; containers know the shape from `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
 *
 * @since 0.1.0
 * @category constants
 */
export const KEY_VARIABLE = "LOCKSTEP_SERVE_KEY_FILE"

/**
 * Where a keeper listens.
 *
 * @since 0.1.0
 * @category models
 */
export type KeeperAddress =
  | { readonly _tag: "Socket"; readonly path: string }
  | { readonly _tag: "Loopback"; readonly host: string; readonly port: number }

const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\]):(\d{1,5})\/?$/

/**
 * Reads an address; nothing where it is none, or one beyond this machine. An abstract name is none: every user may take it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): KeeperAddress | undefined => {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length).replace(/^\/\/(?=\/)/, "")
    return path === "" || path.includes("\0") || path.startsWith("@")
      ? undefined
      : { _tag: "Socket", path: Path.resolve(path) }
  }
  const match = LOOPBACK.exec(text)
  const port = Number(match?.[2])
  return match === null || port === 0 || port > 65_535
    ? undefined
    : { _tag: "Loopback", host: match[1] === "[::1]" ? "::1" : match[1]!, port }
}

/**
 * Writes an address as it is read.
 *
 * @since 0.1.0
 * @category rendering
 */
export const format = (address: KeeperAddress): string =>
  address._tag === "Socket"
    ? `unix:${address.path}`
    : `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`

/**
 * The socket of a home's own keeper, links resolved; nothing where no keeper was there, or what is there is another
 * user's than `user`, this process's own where none is named. Whether it listens is seen by asking.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofHome = (
  directory: string,
  user: number | undefined = process.geteuid?.()
): KeeperAddress | undefined => {
  const named = Path.join(directory, KeeperWire.SOCKET)
  try {
    const first = Fs.lstatSync(named, { throwIfNoEntry: false })
    if (first === undefined) return undefined
    const path = first.isSymbolicLink() ? Path.resolve(directory, Fs.readlinkSync(named)) : named
    const stat = path === named ? first : Fs.lstatSync(path, { throwIfNoEntry: false })
    return stat?.isSocket() === true && (user === undefined || stat.uid === user || user === 0)
      ? { _tag: "Socket", path }
      : undefined
  } catch {
    return undefined
  }
}

/** Bytes of a file that may hold a key. */
const MAX_KEY = 4_096

/**
 * Reads the file of a key. Throws what reading throws.
 *
 * @since 0.1.0
 * @category combinators
 */
export const readKey = (file: string): string => {
  const fd = Fs.openSync(file, Fs.constants.O_RDONLY | (Fs.constants.O_NONBLOCK ?? 0))
  try {
    if (!Fs.fstatSync(fd).isFile()) throw Object.assign(new Error("not a regular file"), { code: "EINVAL" })
    const bytes = Buffer.alloc(MAX_KEY)
    return bytes.toString("latin1", 0, Fs.readSync(fd, bytes, 0, MAX_KEY, 0)).trim()
  } finally {
    Fs.closeSync(fd)
  }
}
