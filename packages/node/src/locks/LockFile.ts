/**
 * One lock of a lock plan: what it is on disk decides with whom it is shared.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type { Place } from "./OwnerRecord.js"

/**
 * `Kernel` is `flock(2)` on a sidecar, which dies with its holder. `Directory` is the protocol of proper-lockfile, which
 * other tools use: a directory that is made to lock and removed to unlock, and kept alive by a heartbeat. `Lease` is that
 * of mcp-remote: a file that says who holds it and since when.
 *
 * @since 0.1.0
 * @category models
 */
export type LockFile = Data.TaggedEnum<{
  Kernel: {
    /** Absolute. Created where it is missing, never removed. */
    readonly path: string
  }
  Directory: {
    /** Absolute; the directory itself, such as `auth.json.lock`. Stays empty. */
    readonly path: string
    /** After so long without a heartbeat the holder counts as dead, by the tool's own rule. */
    readonly stale: Duration.Duration
    /** From one heartbeat of ours to the next: at most a third of the shortest `stale` by which a program judges us. */
    readonly heartbeat: Duration.Duration
    /** Where its holder notes who it is. */
    readonly owner?: Place
  }
  Lease: {
    /** Absolute. Created to lock, removed to unlock. */
    readonly path: string
    /** After so long without being renewed the holder counts as dead, by the tool's own rule. */
    readonly stale: Duration.Duration
    /** From one renewal of ours to the next. */
    readonly heartbeat: Duration.Duration
  }
}>

/**
 * Constructors of {@link LockFile}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const LockFile = Data.taggedEnum<LockFile>()
