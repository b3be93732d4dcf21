/**
 * A lock file. It holds nothing, it is never removed, and what it excludes hangs on its inode: two processes
 * that lock two inodes of the same name do not exclude each other.
 */
import * as ShellWord from "@lockstep/core/ShellWord"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ownership from "../Ownership.js"
import type { Attempt, KernelLock } from "./kernelLock.js"
import { BUSY, failed } from "./kernelLock.js"
import { codeOf, type LockFailure, lockFailure } from "./lockFailure.js"

const { O_CREAT, O_EXCL, O_RDWR } = Fs.constants

// Absent on Windows. A link is not followed: in a user's directory it could lead root anywhere.
const O_NOFOLLOW = Fs.constants.O_NOFOLLOW ?? 0

/** How often a sidecar may be replaced under our hands within one try. */
const REOPENINGS = 8

/** Whether this user's own sidecar was left without its mode by a process that died between creating and `fchmod`. */
const repaired = (path: string): boolean => {
  const stat = Fs.lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined || !stat.isFile() || stat.uid !== process.geteuid?.() || (stat.mode & 0o600) === 0o600) {
    return false
  }
  Fs.chmodSync(path, 0o600)
  return true
}

const create = (path: string, owner: Ownership.Owner): number => {
  const fd = Fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    Fs.fchmodSync(fd, 0o600)
    Ownership.give(fd, owner)
    return fd
  } catch (cause) {
    Fs.closeSync(fd)
    throw cause
  }
}

// An integer descriptor, because the garbage collector closes a FileHandle without references, and the lock
// is gone without a word. For writing, because flock on NFS and the copy-up of overlayfs ask for it.
const open = (path: string, owner: Ownership.Owner): number => {
  for (let tries = 0;; tries++) {
    try {
      return Fs.openSync(path, O_RDWR | O_NOFOLLOW)
    } catch (cause) {
      const code = codeOf(cause)
      if (tries >= REOPENINGS || !(code === "ENOENT" || (code === "EACCES" && repaired(path)))) throw cause
      if (code === "EACCES") continue
    }
    try {
      return create(path, owner)
    } catch (cause) {
      // Another process was first, and its file is the one to lock.
      if (codeOf(cause) !== "EEXIST") throw cause
    }
  }
}

/** Whether a locked descriptor is still the file that others find under that name. */
const isCurrent = (fd: number, path: string): boolean => {
  const locked = Fs.fstatSync(fd, { bigint: true })
  const named = Fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  // Windows tells different devices for a descriptor and for a path, depending on the version of Node.
  return named?.ino === locked.ino && (process.platform === "win32" || named.dev === locked.dev)
}

/** Whether no other user can come to what lies in a directory. */
const isClosed = (directory: string): boolean => (Fs.statSync(directory).mode & 0o077) === 0

/**
 * Refuses a lock file that others can write, or that belongs to another user: they hold it for as long as they like. In
 * a directory that no other user can enter its mode is repaired instead, for programs that lock the same files make them
 * as their umask has it. One that root made and did not get to give away is given now.
 */
const judged = (fd: number, path: string, owner: Ownership.Owner): LockFailure | undefined => {
  const user = process.geteuid?.()
  if (user === undefined) return undefined
  const stat = Fs.fstatSync(fd)
  if (stat.uid !== owner.uid && stat.uid !== user) {
    return { reason: "Permission", path, detail: `it belongs to user ${stat.uid}` }
  }
  if (stat.uid !== owner.uid && user === 0 && stat.size === 0) Ownership.give(fd, owner)
  if ((stat.mode & 0o022) === 0) return undefined
  if (!isClosed(Path.dirname(path))) {
    return {
      reason: "Permission",
      path,
      detail: `others can write it (mode ${(stat.mode & 0o777).toString(8)})`,
      remedy: `close it with \`chmod 600 ${ShellWord.quote(path)}\``
    }
  }
  Fs.fchmodSync(fd, 0o600)
  return undefined
}

const tryOnce = (path: string, owner: Ownership.Owner, kernel: KernelLock): Attempt | "replaced" => {
  const opened = open(path, owner)
  let fd = opened
  let keep = false
  try {
    if (!Fs.fstatSync(opened).isFile()) {
      return failed({ reason: "Permission", path, detail: "it is not a regular file" })
    }
    const failure = judged(opened, path, owner)
    if (failure !== undefined) return failed(failure)
    const attempt = kernel.tryLock(opened, path)
    if (attempt._tag !== "Acquired") return attempt
    fd = attempt.fd
    // Asked under the lock: before it, the file could be replaced between question and lock.
    if (!isCurrent(fd, path)) return "replaced"
    keep = true
    return attempt
  } finally {
    if (fd !== opened) Fs.closeSync(opened)
    if (!keep) Fs.closeSync(fd)
  }
}

/** Tries once to lock a sidecar, creating it (mode 0600 whatever the umask) where it is missing. */
export const tryLock = (path: string, owner: Ownership.Owner, kernel: KernelLock): Attempt => {
  try {
    for (let tries = 0; tries <= REOPENINGS; tries++) {
      const attempt = tryOnce(path, owner, kernel)
      if (attempt !== "replaced") return attempt
    }
    // Another program goes on replacing it. It is not ours, and a wait for it has an end.
    return BUSY
  } catch (cause) {
    return failed(lockFailure(path, codeOf(cause)))
  }
}

/**
 * Unlocks, by closing, and wakes the waiters if nothing else has.
 *
 * The touch comes last. A waiter that is woken finds the lock free at its first try; the other way round it would find
 * it held and sleep again. A death in between costs the waiters one backoff. It goes by path, since the descriptor is
 * gone, and by `lutimes`, since the path may have become a link.
 */
export const unlock = (fd: number, path: string, options: { readonly touch: boolean }): void => {
  Fs.closeSync(fd)
  if (!options.touch) return
  try {
    const now = new Date()
    Fs.lutimesSync(path, now, now)
  } catch {
    // Only a hint is lost.
  }
}
