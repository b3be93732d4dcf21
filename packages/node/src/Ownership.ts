/**
 * Whose directory it is. A process that writes into somebody else's home leaves files there that the owner can neither
 * lock nor replace, so only the owner writes; root does too, and gives what it creates to the owner.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { codeOf, lockUnavailable } from "./internal/errno.js"

/**
 * The user and the group that own a directory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

// Windows knows no numeric owners; its access lists decide alone.
const effectiveUser = (): number | undefined => process.geteuid?.()

const isRoot = (): boolean => effectiveUser() === 0

/**
 * Reads who owns a directory. Throws what the system call throws.
 *
 * @since 0.1.0
 * @category getters
 */
export const ownerOf = (directory: string): Owner => {
  const { gid, uid } = Fs.statSync(directory)
  return { uid, gid }
}

/**
 * Whether this process may write where the owner's files lie.
 *
 * @since 0.1.0
 * @category predicates
 */
export const mayWrite = (owner: Owner): boolean => {
  const user = effectiveUser()
  return user === undefined || user === 0 || user === owner.uid
}

/**
 * Claims the right to write in a directory that exists.
 *
 * Fails with `LockUnavailable(Permission)` when it belongs to another user and this process is not root.
 *
 * @since 0.1.0
 * @category combinators
 */
export const claim = (directory: string): Effect.Effect<Owner, LockUnavailable> =>
  Effect.suspend(() => claimNow(directory))

/**
 * The same as a plain value.
 *
 * @since 0.1.0
 * @category getters
 */
export const claimNow = (directory: string): Either.Either<Owner, LockUnavailable> => {
  try {
    const owner = ownerOf(directory)
    return mayWrite(owner)
      ? Either.right(owner)
      : Either.left(
        new LockUnavailable({
          reason: "Permission",
          path: directory,
          detail: `it belongs to user ${owner.uid}, and this process runs as user ${effectiveUser()}`
        })
      )
  } catch (cause) {
    return Either.left(lockUnavailable(directory, codeOf(cause)))
  }
}

/**
 * Gives a file that this process has just created to the owner of its directory. Throws what the system call throws;
 * does nothing unless the process is root.
 *
 * @since 0.1.0
 * @category combinators
 */
export const give = (fd: number, owner: Owner): void => {
  if (isRoot() && owner.uid !== 0) Fs.fchownSync(fd, owner.uid, owner.gid)
}

const makeOne = (path: string): void => {
  try {
    Fs.mkdirSync(path, 0o700)
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return
    throw cause
  }
  if (!isRoot()) return Fs.chmodSync(path, 0o700)
  // By descriptor: between two calls by path the parent's owner could put a link there, and root would give away
  // what the link names.
  const fd = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_DIRECTORY | Fs.constants.O_NOFOLLOW)
  try {
    Fs.fchmodSync(fd, 0o700)
    give(fd, Fs.statSync(Path.dirname(path)))
  } finally {
    Fs.closeSync(fd)
  }
}

const make = (path: string): void => {
  // Asked at every try of a lock, and an exception costs more than everything else in it.
  if (Fs.existsSync(path)) return
  try {
    makeOne(path)
  } catch (cause) {
    const parent = Path.dirname(path)
    if (codeOf(cause) !== "ENOENT" || parent === path) throw cause
    make(parent)
    makeOne(path)
  }
}

/**
 * Creates a directory and its missing parents, mode 0700 whatever the umask. One that exists is left as it is.
 *
 * What root creates belongs to the owner of the parent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDirectory = (path: string): Effect.Effect<void, LockUnavailable> =>
  Effect.suspend(() => makeDirectoryNow(path))

/**
 * The same as a plain value.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDirectoryNow = (path: string): Either.Either<void, LockUnavailable> =>
  Either.try({ try: () => make(path), catch: (cause) => lockUnavailable(path, codeOf(cause)) })
