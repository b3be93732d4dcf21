/**
 * The files of a home as the start of the command reads them: whole, without a lock, and again only when they changed.
 *
 * @since 0.1.0
 */
import * as AtomicFile from "@lockstep/node/AtomicFile"
import * as Ownership from "@lockstep/node/Ownership"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as FastPath from "./FastPath.js"

/**
 * What is asked of the record, whatever it is at that moment.
 *
 * @since 0.1.0
 * @category models
 */
export type Demand = Omit<FastPath.Question, "text" | "now">

/**
 * A home whose store is the plain file.
 *
 * @since 0.1.0
 * @category models
 */
export interface FastHome {
  /** `auth.json`, links resolved. */
  readonly store: string
  /** Where the pin says that locks lie; `undefined` is beside the store. */
  readonly lockDirectory: () => string | undefined
  /** Judges what is stored now. */
  readonly judge: (demand: Demand) => FastPath.Judgement
  /** Whether the store may be another one than was last judged. One system call. */
  readonly hasChanged: () => boolean
}

/** File times advance with the kernel's tick: for so many milliseconds a file may change and look the same. */
const COARSE = 50

const OPEN = Fs.constants.O_RDONLY | (Fs.constants.O_NONBLOCK ?? 0) | (Fs.constants.O_NOFOLLOW ?? 0)

const identify = (stat: Fs.BigIntStats): string =>
  `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`

interface Text {
  readonly text: string
  readonly identity: string
  /** Whether the same state means the same text from now on. */
  readonly isSettled: boolean
}

/**
 * Reads a regular file as strict UTF-8; `undefined` where it is missing. A FIFO in its place throws instead of hanging.
 */
const read = (path: string): Text | undefined => {
  let fd: number
  try {
    fd = Fs.openSync(path, OPEN)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  try {
    const stat = Fs.fstatSync(fd, { bigint: true })
    if (!stat.isFile()) throw new Error("not a regular file")
    const bytes = Fs.readFileSync(fd)
    // A program that writes in place has shown half of a file.
    if (BigInt(bytes.length) !== stat.size) throw new Error("being written")
    const changed = stat.mtimeNs > stat.ctimeNs ? stat.mtimeNs : stat.ctimeNs
    return {
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
      identity: identify(stat),
      isSettled: Date.now() - Number(changed / 1_000_000n) > COARSE
    }
  } finally {
    Fs.closeSync(fd)
  }
}

/**
 * Opens a home for reading; creates nothing. `now` is the wall clock, in milliseconds. Throws where a path cannot be
 * followed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (directory: string, now: () => number = Date.now): FastHome => {
  const store = AtomicFile.follow(Path.join(directory, "auth.json"))
  const pinFile = AtomicFile.follow(Path.join(directory, "store.json"))
  const beside = Path.dirname(store)
  /** What others can put there is not believed: the program says so. */
  const isPrivate = (): boolean =>
    Ownership.exposureOf(directory) === undefined &&
    (beside === directory || Ownership.exposureOf(beside, "writable") === undefined)
  let last: Text | undefined
  return {
    store,
    lockDirectory: () => FastPath.pinOf(read(pinFile)?.text)?.lockDirectory,
    hasChanged: () => {
      if (last?.isSettled !== true) return true
      try {
        return identify(Fs.lstatSync(store, { bigint: true })) !== last.identity
      } catch {
        return true
      }
    },
    judge: (demand) => {
      try {
        last = read(store)
        // The pin after the store: a move writes it first.
        if (last === undefined || !isPrivate() || FastPath.pinOf(read(pinFile)?.text) === undefined) {
          return { _tag: "Doubt" }
        }
        return FastPath.judge({ ...demand, text: last.text, now: now() })
      } catch {
        return { _tag: "Doubt" }
      }
    }
  }
}
