/**
 * Gives back what a process holds that exits in order and closed no scopes. After a signal that nothing handles, or
 * `kill -9`, a lock that the kernel does not free stays until its own rule declares it dead.
 */

interface Held {
  readonly release: () => void
}

const held = new Set<Held>()

const releaseAll = (): void => held.forEach((lock) => lock.release())

export const remember = (lock: Held): void => {
  if (held.size === 0) process.once("exit", releaseAll)
  held.add(lock)
}

export const forget = (lock: Held): void => {
  held.delete(lock)
  if (held.size === 0) process.removeListener("exit", releaseAll)
}
