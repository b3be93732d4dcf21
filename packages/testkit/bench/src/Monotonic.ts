/**
 * The clock that every process of this machine shares.
 *
 * @since 0.1.0
 */

/**
 * Milliseconds of the machine's monotonic clock, with a resolution far below the microsecond. Comparable between
 * processes on Linux, where all of them read CLOCK_MONOTONIC.
 *
 * @since 0.1.0
 * @category getters
 */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6
