/**
 * The locks of other tools that the kernel does not know: one of a lock plan is tried, and looked at, by its protocol.
 *
 * @since 0.1.0
 */
import * as DirectoryLock from "./DirectoryLock.js"
import * as LeaseFile from "./LeaseFile.js"

/**
 * A directory of proper-lockfile or a lease of mcp-remote.
 *
 * @since 0.1.0
 * @category models
 */
export type ForeignLock = DirectoryLock.Directory | LeaseFile.Lease

/**
 * Tries once. `onLost` is called once, when it is found out that it was taken away. Never waits, never throws.
 *
 * @since 0.1.0
 * @category constructors
 */
export const tryLock = (one: ForeignLock, onLost: () => void): DirectoryLock.Attempt =>
  one._tag === "Lease" ? LeaseFile.tryLock(one, onLost) : DirectoryLock.tryLock(one, onLost)

/**
 * Whether a try could succeed now. Takes nothing, and throws what the system calls throw.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFree = (one: ForeignLock): boolean =>
  one._tag === "Lease" ? LeaseFile.isFree(one) : DirectoryLock.isFree(one)
