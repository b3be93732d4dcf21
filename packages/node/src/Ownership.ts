/**
 * Whose directory it is. A process that writes into another user's home leaves files there that the owner can neither
 * lock nor replace, so only the owner writes; root does too, and gives what it creates to the owner.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import * as ShellWord from "@lockstep/core/ShellWord"
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

const PROC = "/proc/self/fd"

/**
 * The directory in which an open file really lies, links resolved; nothing where the system does not tell. A name may
 * lead elsewhere from one call to the next, and a descriptor does not.
 */
const realDirectoryOf = (fd: number): string | undefined => {
  try {
    return Path.dirname(Fs.readlinkSync(`${PROC}/${fd}`))
  } catch {
    return undefined
  }
}

const notAsMade = (detail: string): Error => Object.assign(new Error(detail), { code: detail })

const REPLACED = "its directory was replaced meanwhile"

/** Refuses what is not just made by root, under one name, in that directory or in one of that owner. */
const judgeGift = (fd: number, owner: Owner, within: string | undefined): void => {
  const stat = Fs.fstatSync(fd)
  if (stat.uid !== 0 || stat.isFile() && stat.nlink !== 1) throw notAsMade("it is not the file that was made")
  const directory = realDirectoryOf(fd)
  if (directory === undefined) return
  if (within === undefined ? Fs.lstatSync(directory).uid !== owner.uid : directory !== within) throw notAsMade(REPLACED)
}

/**
 * Gives a file that this process has just created to the owner of its directory. Does nothing unless the process is root.
 *
 * Refuses a file that lies elsewhere: the owner of a directory can put a link in its place between two calls, and root
 * would make a file in a directory of its own and give it away. `within` names the directory, links resolved, where it
 * need not be the owner's. Throws what the system call throws.
 *
 * @since 0.1.0
 * @category combinators
 */
export const give = (fd: number, owner: Owner, within?: string): void => {
  if (!isRoot() || owner.uid === 0) return
  judgeGift(fd, owner, within)
  Fs.fchownSync(fd, owner.uid, owner.gid)
}

/** Milliseconds. File times advance with the kernel's tick. */
const TICK = 50

const DIRECTORY = Fs.constants.O_RDONLY | (Fs.constants.O_DIRECTORY ?? 0) | (Fs.constants.O_NOFOLLOW ?? 0)

/**
 * Creates one directory, mode 0700 whatever the umask, of its parent's owner if this is root. One that exists is left as
 * it is. Throws what the system call throws.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeOne = (path: string): void => {
  const parent = Path.dirname(path)
  const real = isRoot() ? Fs.realpathSync(parent) : parent
  const owner = Fs.statSync(real)
  const began = Date.now()
  try {
    Fs.mkdirSync(path, 0o700)
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return
    throw cause
  }
  if (!isRoot()) return Fs.chmodSync(path, 0o700)
  // By descriptor: between two calls by path the parent's owner could put a link there, and root would change and give
  // away what the link leads to.
  const fd = Fs.openSync(path, DIRECTORY)
  try {
    const directory = realDirectoryOf(fd)
    if (directory !== undefined && directory !== real || Fs.fstatSync(fd).birthtimeMs < began - TICK) {
      throw notAsMade(REPLACED)
    }
    Fs.fchmodSync(fd, 0o700)
    give(fd, owner)
  } finally {
    Fs.closeSync(fd)
  }
}

/**
 * What keeps a directory of secrets from being believed: part of a sentence, and the command that repairs it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Exposure {
  readonly detail: string
  readonly remedy: string
}

const isReadOnly = (directory: string): boolean => {
  try {
    Fs.accessSync(directory, Fs.constants.W_OK)
    return false
  } catch (cause) {
    return codeOf(cause) === "EROFS"
  }
}

/**
 * Finds out whether others could have put what lies in a directory there, or may look at it: it belongs to another user
 * than this one or root, or its mode lets in others than its owner (`writable`: lets them write). On a file system that
 * cannot be written the mode says nothing, and cannot be changed. Root may use what belongs to any user.
 *
 * One that is missing is nothing to complain of. Throws what `stat(2)` throws.
 *
 * @since 0.1.0
 * @category predicates
 */
export const exposureOf = (directory: string, to: "any" | "writable" = "any"): Exposure | undefined => {
  const user = effectiveUser()
  const stat = user === undefined ? undefined : Fs.statSync(directory, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (user !== 0 && stat.uid !== user && stat.uid !== 0) {
    return {
      detail: `it belongs to user ${stat.uid}, and this process runs as user ${user}`,
      remedy: `use a home of your own, or take this one over with \`sudo chown -R ${user} ${
        ShellWord.quote(directory)
      }\``
    }
  }
  if ((stat.mode & (to === "any" ? 0o077 : 0o022)) === 0 || isReadOnly(directory)) return undefined
  return {
    detail: `it is open to others (mode ${(stat.mode & 0o777).toString(8).padStart(3, "0")})`,
    remedy: `close it with \`chmod ${to === "any" ? "700" : "go-w"} ${ShellWord.quote(directory)}\``
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

/**
 * What keeps every process of this user from having its locks in a directory that was named for them: it belongs to
 * another user, others may write it, or it is no directory. One that is missing is made by the first that locks there.
 *
 * @since 0.1.0
 * @category predicates
 */
export const faultOfLocks = (directory: string): Exposure | undefined => {
  const elsewhere = "set LOCKSTEP_LOCK_DIR to a directory of your own on a local disk"
  try {
    const stat = Fs.statSync(directory, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (!stat.isDirectory()) return { detail: "it is not a directory", remedy: elsewhere }
    const { uid } = stat
    return mayWrite(stat)
      ? exposureOf(directory, "writable")
      : { detail: `it belongs to user ${uid}, and this process does not run as that user`, remedy: elsewhere }
  } catch (cause) {
    return { detail: `it cannot be looked at (${codeOf(cause)})`, remedy: elsewhere }
  }
}
