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
import * as Path from "node:path"
import * as FlockTable from "../internal/flockTable.js"
import type { KernelLock } from "../internal/kernelLock.js"
import * as KoffiFlock from "../internal/koffiFlock.js"
import * as LockProbe from "../internal/lockProbe.js"
import * as Sidecar from "../internal/sidecar.js"
import * as Ownership from "../Ownership.js"
import * as SidecarNames from "../SidecarNames.js"
import * as RemoteFileSystem from "./RemoteFileSystem.js"

/**
 * Ends what was begun by `listen`, or has it ask at once, and often for some milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listening {
  readonly soon: () => void
  readonly end: () => void
}

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
  /**
   * Asks over and over whether a try may succeed, in the line of those that wait, and hints where it may or where something
   * changed. Keeps no process alive.
   */
  readonly listen: (options: {
    readonly hasChanged: () => boolean
    readonly hint: () => void
  }) => Listening
  /** Tells one holder from the next, where the system says. */
  readonly holder: () => string | undefined
  /** Closes the descriptor and wakes the processes that wait for it. */
  readonly unlock: (fd: number) => void
}

/** Milliseconds. `performance` is loaded at its first use, which a start notices. */
const elapsed = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/**
 * A holder that dies is noticed within 25 ms, or within a twelfth of the time that it was waited for and 45 ms: what takes
 * long already may take that much longer, and each question costs a wake-up.
 */
const SOON = 25
const SOON_ENOUGH = 45
const SHARE_OF_WAIT = 12

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
  return {
    path,
    tryLock: () => {
      const attempt = Sidecar.tryLock(path, owner, kernel)
      return attempt._tag === "Acquired" ? attempt.fd : attempt._tag === "Busy" ? "busy" : "failed"
    },
    listen: (options) => {
      const began = elapsed()
      return LockProbe.start({
        ...options,
        paths: [path],
        foreign: [],
        kernel: () => kernel,
        lead: () => {
          const attempt = Sidecar.tryLock(SidecarNames.line(path), owner, kernel)
          return attempt._tag === "Acquired" ? attempt.fd : undefined
        },
        longest: () => Math.min(Math.max(SOON, (elapsed() - began) / SHARE_OF_WAIT), SOON_ENOUGH)
      })
    },
    holder: () => FlockTable.holderOf(path),
    unlock: (fd) => Sidecar.unlock(fd, path, { touch: true })
  }
}
