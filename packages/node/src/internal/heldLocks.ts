/**
 * What a process has of locks on disk: the grip on each path, and the leases that have entered it.
 */
import * as Sidecar from "./sidecar.js"

/** What was taken on disk. */
export interface Grip {
  readonly isHeld: () => boolean
  readonly release: (options: { readonly touch: boolean }) => void
}

/** What one lease has of one lock. */
export interface Entry {
  readonly held: Held
  /** Whether another process had the lock since this lease entered it. */
  lost: boolean
}

export interface Held {
  grip: Grip
  readonly path: string
  /** The innermost lease comes last; the path is given back when none is left. */
  readonly entries: Array<Entry>
}

export const noteLoss = (held: Held): void => {
  for (const entry of held.entries) entry.lost = true
}

export const wasLost = (entry: Entry): boolean => {
  if (!entry.lost && !entry.held.grip.isHeld()) noteLoss(entry.held)
  return entry.lost
}

/** The kernel never takes a lock away from its holder. */
export const ofSidecar = (fd: number, path: string): Grip => ({
  isHeld: () => true,
  release: (options) => Sidecar.unlock(fd, path, options)
})

/** Leaves what a lease has entered, and frees each path that no other lease holds. */
export const giveBack = (held: Map<string, Held>, taken: ReadonlyArray<Entry>, touch: boolean): void => {
  // Backwards: a process that waits for all of them begins at the first.
  for (const entry of taken.toReversed()) {
    const { entries, grip, path } = entry.held
    entries.splice(entries.indexOf(entry), 1)
    if (entries.length > 0) continue
    held.delete(path)
    grip.release({ touch })
  }
}
