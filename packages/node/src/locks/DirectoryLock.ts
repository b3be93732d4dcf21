/**
 * The lock of proper-lockfile 4, which pi and Claude Code use: `mkdir(2)` of one directory succeeds for one process.
 *
 * A directory outlives its holder, so its modification time says that the holder lives. The holder renews it, and
 * a process that finds it older than `stale` removes the directory and makes it anew. Hence two weaknesses that `flock`
 * has not. A holder that is killed keeps all others waiting until its last heartbeat is stale, unless a note beside it
 * (see `OwnerRecord`) proves that it is dead. And a holder that does not
 * run for so long (Ctrl-Z, a laptop that sleeps, a blocked event loop) loses its lock without a word, to a process that
 * takes it for dead; it can find out, and it cannot prevent it.
 *
 * The library tells its own directory by the time that it wrote last. This holder also keeps the directory open, which
 * tells more: it renews what it made and never what a thief made in its place, and no inode of an open directory is
 * given to another. The time is read back after it was written, so that it does not matter how coarsely the file
 * system keeps it.
 *
 * @since 0.1.0
 */
import { LockUnavailable } from "@lockstep/core/Errors"
import type * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { codeOf, lockUnavailable } from "../internal/errno.js"
import * as Heartbeat from "../internal/heartbeat.js"
import * as RenewedLock from "../internal/renewedLock.js"
import * as Ownership from "../Ownership.js"
import type { LockFile } from "./LockFile.js"
import * as OwnerRecord from "./OwnerRecord.js"

/**
 * What a lock is on disk, and by which times it lives.
 *
 * @since 0.1.0
 * @category models
 */
export type Directory = Data.TaggedEnum.Value<LockFile, "Directory">

/**
 * A directory that this process made.
 *
 * @since 0.1.0
 * @category models
 */
export type DirectoryLock = RenewedLock.RenewedLock

/**
 * How a try ended.
 *
 * @since 0.1.0
 * @category models
 */
export type Attempt =
  | { readonly _tag: "Acquired"; readonly lock: DirectoryLock }
  | { readonly _tag: "Busy" }
  | { readonly _tag: "Failed"; readonly error: LockUnavailable }

const BUSY: Attempt = { _tag: "Busy" }

/** Windows can neither set times by such a descriptor nor let others remove the directory while it is open. */
const CAN_OPEN = process.platform !== "win32"

const OPEN = Fs.constants.O_RDONLY | (Fs.constants.O_DIRECTORY ?? 0) | (Fs.constants.O_NOFOLLOW ?? 0)

const look = (path: string): Fs.BigIntStats | undefined => Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })

const isStale = ({ mtimeMs }: Fs.BigIntStats, { stale }: Directory): boolean =>
  Number(mtimeMs) < Date.now() - Duration.toMillis(stale)

/** Takes over the directory that was made at `began`. `None` when it may be another one by now. Throws. */
const hold = (target: Directory, began: number, onLost: () => void): Option.Option<DirectoryLock> => {
  const { path } = target
  const fd = CAN_OPEN ? Fs.openSync(path, OPEN) : undefined
  let closed = false
  const close = () => {
    if (!closed && fd !== undefined) Fs.closeSync(fd)
    closed = true
  }
  const renew = (): Fs.BigIntStats | undefined => {
    const now = new Date()
    if (fd === undefined) Fs.utimesSync(path, now, now)
    else Fs.futimesSync(fd, now, now)
    return fd === undefined ? look(path) : Fs.fstatSync(fd, { bigint: true })
  }
  try {
    // Stopped for so long between two calls, this process may have opened what a thief made in place of its own.
    if (Date.now() - began >= Duration.toMillis(target.stale)) {
      close()
      return Option.none()
    }
    if (fd !== undefined) Ownership.give(fd, Fs.statSync(Path.dirname(path)))
    let mine = renew()
    let lost = false

    const isHeld = () => {
      if (lost || closed) return false
      const named = look(path)
      // The time too: where another process renews this very directory, both believe that they hold it.
      lost = named === undefined || named.ino !== mine?.ino || named.mtimeNs !== mine.mtimeNs
      if (lost) onLost()
      return !lost
    }

    const stop = Heartbeat.start(target, () => {
      if (!isHeld()) return false
      mine = renew()
      return true
    })

    const lock = RenewedLock.make({
      path,
      isHeld,
      stop,
      remove: () => {
        OwnerRecord.remove(target)
        Fs.rmdirSync(path)
      },
      end: close
    })
    OwnerRecord.write(target)
    return Option.some(lock)
  } catch (cause) {
    close()
    throw cause
  }
}

const holdOrRemove = (target: Directory, began: number, onLost: () => void): Option.Option<DirectoryLock> => {
  try {
    return hold(target, began, onLost)
  } catch (cause) {
    // It would not be renewed.
    Fs.rmdirSync(target.path)
    throw cause
  }
}

type Made = "made" | "there"

const make = (path: string): Made => {
  try {
    Fs.mkdirSync(path, 0o700)
    return "made"
  } catch (cause) {
    if (codeOf(cause) === "EEXIST") return "there"
    throw cause
  }
}

/** Removes a directory whose holder is dead, or counts as dead. Answers whether the path is free now. */
const removeDead = (target: Directory): boolean => {
  const present = look(target.path)
  if (present === undefined) return true
  if (!present.isDirectory()) throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" })
  if (!isStale(present, target)) return OwnerRecord.removeOfGone(target)
  try {
    Fs.rmdirSync(target.path)
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause
  }
  return true
}

/**
 * Tries once to make the directory, after removing one that is stale. `onLost` is called once, when it is found out that
 * another process has taken it away. Never waits, never throws.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tryLock = (target: Directory, onLost: () => void): Attempt => {
  try {
    const began = Date.now()
    const made = make(target.path) === "made" || (removeDead(target) && make(target.path) === "made")
    if (!made) return BUSY
    return Option.match(holdOrRemove(target, began, onLost), {
      onNone: () => BUSY,
      onSome: (lock): Attempt => ({ _tag: "Acquired", lock })
    })
  } catch (cause) {
    const code = codeOf(cause)
    const { path } = target
    return {
      _tag: "Failed",
      error: code === "ENOTDIR" || code === "ENOTEMPTY"
        ? new LockUnavailable({
          reason: "Permission",
          path,
          detail: code === "ENOTDIR" ? "it is not a directory" : code
        })
        : lockUnavailable(path, code)
    }
  }
}

/**
 * Whether a try could succeed now. Takes nothing. Throws what `lstat(2)` throws.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFree = (target: Directory): boolean => {
  const present = look(target.path)
  return present === undefined || isStale(present, target) || OwnerRecord.provesGone(target)
}
