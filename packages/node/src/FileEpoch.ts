/**
 * Whether a file may have changed, asked before every use of what is in memory. Asking must cost nothing: while a
 * proven watch is quiet no system call is made, but for one look every 5 s in case an event was lost. Without a proven
 * watch there is one look every 250 ms.
 *
 * @since 0.1.0
 */
import type * as DirectoryWatch from "./DirectoryWatch.js"
import * as WholeFile from "./WholeFile.js"

/**
 * Answers with a number that differs from an earlier one when the file may have changed since.
 *
 * @since 0.1.0
 * @category models
 */
export type FileEpoch = () => number

/** Milliseconds between two looks while a proven watch is quiet. */
const SAFETY = 5_000

/** Milliseconds between two looks without a proven watch, and before one is opened at all. */
const POLL = 250

/**
 * Makes the epoch of a file.
 *
 * The watch is opened when the question comes up again after a while, so that a command that asks once or twice and
 * ends watches nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly path: string
  readonly file: string
  readonly openWatch: () => Pick<DirectoryWatch.DirectoryWatch, "isProven" | "count">
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}): FileEpoch => {
  const now = options.now ?? (() => performance.now())
  let watch: ReturnType<typeof options.openWatch> | undefined
  let askedAt: number | undefined
  let lookedAt = -Infinity
  let seen: WholeFile.Identity | undefined
  let counted: number | undefined
  let epoch = 0
  return () => {
    const time = now()
    if (watch === undefined) {
      askedAt ??= time
      if (time - askedAt >= POLL) watch = options.openWatch()
    }
    const isProven = watch?.isProven() ?? false
    const count = watch?.count(options.file)
    if (count !== counted) {
      counted = count
      epoch++
    }
    if (time - lookedAt >= (isProven ? SAFETY : POLL)) {
      lookedAt = time
      const identity = WholeFile.look(options.path)
      if (identity !== seen) epoch++
      seen = identity
    }
    return epoch
  }
}
