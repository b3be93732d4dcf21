/**
 * How old an unfinished login may become. Apart from what one looks like: each write of a file sweeps them, and most
 * processes that write know nothing else of them.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * How long an attempt waits to be finished.
 *
 * @since 0.1.0
 * @category defaults
 */
export const LIFETIME = Duration.minutes(15)

/**
 * Whether an attempt began too long ago to be finished. One without a beginning, or from far in the future, is as old as
 * any: the clock went back since. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAncient = (createdAt: number, now: number): boolean =>
  !(createdAt > 0) || Math.abs(now - createdAt * 1_000) >= Duration.toMillis(LIFETIME)
