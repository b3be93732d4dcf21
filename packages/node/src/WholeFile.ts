/**
 * Reading a small file as one whole. What is not a regular file is never opened for long: a FIFO in its place must not
 * hang a reader, a link must not lead it elsewhere.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import { codeOf } from "./internal/errno.js"
import { remedyOf } from "./internal/fileStep.js"

/**
 * Tells one state of a file from another: device, inode, size, modification and change time.
 *
 * @since 0.1.0
 * @category models
 */
export type Identity = string

/**
 * The content of a file and the state that it was read from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  readonly bytes: Uint8Array
  readonly identity: Identity
  /** When the file changed last. Milliseconds since the epoch. */
  readonly changedAt: number
}

/**
 * Milliseconds for which the state of a file may stay the same although it changed again: file times advance with the
 * kernel's tick, and the inode of a replaced file is given to the next.
 *
 * @since 0.1.0
 * @category constants
 */
export const COARSE = 50

// Windows knows neither flag; there a missing one is no bit.
const OPEN = Fs.constants.O_RDONLY | (Fs.constants.O_NONBLOCK ?? 0) | (Fs.constants.O_NOFOLLOW ?? 0)

/** A file that is being written in place is read again so many times before it is taken as it is. */
const ATTEMPTS = 3

const identify = (stat: Fs.BigIntStats): Identity =>
  `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`

const readError = (path: string, detail: string): CredentialStoreError =>
  new CredentialStoreError({ reason: "Read", location: path, detail, ...remedyOf(detail) })

const readOpen = (path: string, fd: number): Either.Either<Snapshot, CredentialStoreError> => {
  for (let attempt = 1;; attempt++) {
    const before = Fs.fstatSync(fd, { bigint: true })
    if (!before.isFile()) return Either.left(readError(path, "not a regular file"))
    const bytes = Buffer.alloc(Number(before.size) + 1)
    let length = 0
    while (length < bytes.length) {
      const count = Fs.readSync(fd, bytes, length, bytes.length - length, length)
      if (count === 0) break
      length += count
    }
    const identity = identify(before)
    // One byte more than expected, or another state than before: the file is being written in place.
    if (identify(Fs.fstatSync(fd, { bigint: true })) === identity && length < bytes.length || attempt === ATTEMPTS) {
      const changed = before.mtimeNs > before.ctimeNs ? before.mtimeNs : before.ctimeNs
      return Either.right({ bytes: bytes.subarray(0, length), identity, changedAt: Number(changed / 1_000_000n) })
    }
  }
}

/**
 * Reads a file without following a link. Absent is `None`; everything else that is no regular file is an error.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = (path: string): Effect.Effect<Option.Option<Snapshot>, CredentialStoreError> =>
  Effect.suspend(() => readNow(path))

/**
 * The same as a plain value, for callbacks that no fiber runs.
 *
 * @since 0.1.0
 * @category getters
 */
export const readNow = (path: string): Either.Either<Option.Option<Snapshot>, CredentialStoreError> => {
  let fd: number | undefined
  try {
    fd = Fs.openSync(path, OPEN)
    return Either.map(readOpen(path, fd), Option.some)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === "ENOENT") return Either.right(Option.none())
    return Either.left(readError(path, code === "ELOOP" ? "a symbolic link" : code))
  } finally {
    if (fd !== undefined) Fs.closeSync(fd)
  }
}

// Made once: to make one costs more than to decode with it.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Decodes UTF-8 and keeps a byte order mark. Bytes that are not UTF-8 are damage: rewriting them would replace them.
 *
 * @since 0.1.0
 * @category getters
 */
export const decodeText = (path: string, bytes: Uint8Array): Either.Either<string, CredentialStoreError> => {
  try {
    return Either.right(utf8.decode(bytes))
  } catch {
    return Either.left(new CredentialStoreError({ reason: "Decode", location: path, detail: "not UTF-8" }))
  }
}

/**
 * Whether nothing is at a path: one system call and no exception, where nothing is what is expected.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAbsent = (path: string): boolean => {
  try {
    return Fs.lstatSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

/**
 * Looks at the state of a file with one system call. Absent and unreachable are `undefined`.
 *
 * @since 0.1.0
 * @category getters
 */
export const look = (path: string): Identity | undefined => {
  try {
    const stat = Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
    return stat && identify(stat)
  } catch {
    return undefined
  }
}
