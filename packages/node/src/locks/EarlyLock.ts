/**
 * The kernel lock of a tenant, taken before anything is loaded: the same file, the same checks and the same system call
 * as `FileLock` makes, without an Effect. A process that takes it hands it on to `FileLock` (its option `inherited`), or
 * gives it back.
 *
 * Whatever is out of the ordinary, from a remote file system to a directory of another user, is no lock here and left to
 * `FileLock`, which has the words for it.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as FlockTable from "../internal/flockTable.js"
import type { KernelLock } from "../internal/kernelLock.js"
import * as KoffiFlock from "../internal/koffiFlock.js"
import * as Sidecar from "../internal/sidecar.js"
import * as Ownership from "../Ownership.js"
import * as SidecarNames from "../SidecarNames.js"
import * as RemoteFileSystem from "./RemoteFileSystem.js"

/**
 * A lock file of this machine that this process may lock.
 *
 * @since 0.1.0
 * @category models
 */
export interface EarlyLock {
  readonly path: string
  /** Tries once: an integer descriptor is the lock, which ends when it is closed. */
  readonly tryLock: () => number | "busy" | "failed"
  /** Closes what is kept open from one try to the next. */
  readonly forget: () => void
  /** Tells one holder from the next, where the system says. */
  readonly holder: () => string | undefined
  /** Closes the descriptor and wakes the processes that wait for it. */
  readonly unlock: (fd: number) => void
}

/** Milliseconds. `performance` is loaded at its first use, which a start notices. */
const elapsed = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/** Milliseconds for which an open file counts as the one of that name: a sidecar can be replaced. */
const TRUSTED = 250

/**
 * Prepares to lock a tenant of a store; nothing where `FileLock` has to judge. Creates nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ from, lockDirectory, store, tenant, trustRemote }: {
  /** The store file, links resolved. */
  readonly store: string
  readonly tenant: TenantId
  readonly lockDirectory: string
  readonly trustRemote: boolean
  /** The file that asks: the native part is found as this file would find it. */
  readonly from: string
}): EarlyLock | undefined => {
  const path = SidecarNames.lockPath(store, lockDirectory, SidecarNames.tenantLock(Path.basename(store), tenant))
  if (!trustRemote && RemoteFileSystem.findName(lockDirectory) !== undefined) return undefined
  const owner = Ownership.ownerOf(lockDirectory)
  if (!Ownership.mayWrite(owner) || Ownership.exposureOf(lockDirectory, "writable") !== undefined) return undefined
  const kernel: KernelLock | string = KoffiFlock.loadNow(from)
  if (typeof kernel === "string") return undefined
  // Kept open from one try to the next, so that asking again is one system call. Closing gives back what was locked.
  let asked: { readonly fd: number; readonly since: number } | undefined
  const forget = (): void => {
    if (asked !== undefined) Fs.closeSync(asked.fd)
    asked = undefined
  }
  const isBusyStill = (): boolean => {
    const isRecent = asked !== undefined && elapsed() - asked.since < TRUSTED
    const isBusy = isRecent && kernel.tryLock(asked!.fd, path)._tag === "Busy"
    if (!isBusy) forget()
    return isBusy
  }
  return {
    path,
    tryLock: () => {
      if (isBusyStill()) return "busy"
      const attempt = Sidecar.tryLock(path, owner, kernel)
      if (attempt._tag === "Acquired") return attempt.fd
      if (attempt._tag === "Failed") return "failed"
      try {
        asked = { fd: Fs.openSync(path, Fs.constants.O_RDWR | (Fs.constants.O_NOFOLLOW ?? 0)), since: elapsed() }
      } catch {
        // The next try says what is wrong.
      }
      return "busy"
    },
    forget,
    holder: () => FlockTable.holderOf(path),
    unlock: (fd) => Sidecar.unlock(fd, path, { touch: true })
  }
}
