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
  /** Tells one holder from the next, where the system says. */
  readonly holder: () => string | undefined
  /** Closes the descriptor and wakes the processes that wait for it. */
  readonly unlock: (fd: number) => void
}

/**
 * Prepares to lock a tenant of a store; nothing where `FileLock` has to judge. Creates nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ lockDirectory, require, store, tenant, trustRemote }: {
  /** The store file, links resolved. */
  readonly store: string
  readonly tenant: TenantId
  readonly lockDirectory: string
  readonly trustRemote: boolean
  readonly require: NodeRequire
}): EarlyLock | undefined => {
  const path = SidecarNames.lockPath(store, lockDirectory, SidecarNames.tenantLock(Path.basename(store), tenant))
  if (!trustRemote && RemoteFileSystem.findName(lockDirectory) !== undefined) return undefined
  const owner = Ownership.ownerOf(lockDirectory)
  if (!Ownership.mayWrite(owner)) return undefined
  const kernel: KernelLock | string = KoffiFlock.loadNow(require)
  if (typeof kernel === "string") return undefined
  return {
    path,
    tryLock: () => {
      const attempt = Sidecar.tryLock(path, owner, kernel)
      return attempt._tag === "Acquired" ? attempt.fd : attempt._tag === "Busy" ? "busy" : "failed"
    },
    holder: () => FlockTable.holderOf(path),
    unlock: (fd) => Sidecar.unlock(fd, path, { touch: true })
  }
}
