/** The handle of a lock that its holder renews: what every such lock does when it is asked for, and when it is released. */
import * as ReleaseAtExit from "./releaseAtExit.js"

/** A lock on disk that this process made and renews. */
export interface RenewedLock {
  readonly path: string
  /** Whether the lock is still this process's. Asks the file system, so that it knows before the next heartbeat does. */
  readonly isHeld: () => boolean
  /** Ends the heartbeat and removes the lock from disk, unless it is another process's by now. */
  readonly release: () => void
}

/**
 * Makes the handle, and has the lock released when the process exits in order. `isHeld` may throw, which counts as "no".
 * `remove` is called only while the lock is held; what it throws is dropped, since a lock that is no longer renewed goes
 * stale. `end` is called last.
 */
export const make = ({ end, isHeld, path, remove, stop }: {
  readonly path: string
  readonly isHeld: () => boolean
  /** Ends the heartbeat. */
  readonly stop: () => void
  readonly remove: () => void
  readonly end?: () => void
}): RenewedLock => {
  let isReleased = false
  const lock: RenewedLock = {
    path,
    isHeld: () => {
      try {
        return !isReleased && isHeld()
      } catch {
        return false
      }
    },
    release: () => {
      if (isReleased) return
      stop()
      ReleaseAtExit.forget(lock)
      try {
        if (isHeld()) remove()
      } catch {
        // The lock is not renewed any more.
      } finally {
        isReleased = true
        end?.()
      }
    }
  }
  ReleaseAtExit.remember(lock)
  return lock
}
