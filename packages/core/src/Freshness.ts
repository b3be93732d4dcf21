/**
 * Whether an access token may still be served. One pure function without imports, so that the command's start-up
 * path can ask the same question without loading Effect.
 *
 * @since 0.1.0
 */

/**
 * What freshness depends on. Seconds since the epoch, as stored; `null` where unknown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lifetime {
  readonly expiresAt: number | null
  readonly obtainedAt: number | null
}

/**
 * When it is asked and how much validity must be left. Milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Question {
  readonly now: number
  /** Validity wished for; never more than a quarter of the token's lifetime is demanded. */
  readonly margin: number
  /** Validity required whatever the lifetime is. */
  readonly minTtl: number
}

/** An `obtained_at` further ahead than this means that the clock was set back since. */
const CLOCK_TOLERANCE = 60_000

/**
 * The margin in force: the wish, or a quarter of the lifetime when that is shorter, so that a short-lived token is
 * not refreshed at every call. Milliseconds.
 *
 * @since 0.1.0
 * @category getters
 */
export const effectiveMargin = (token: Lifetime, margin: number): number =>
  token.expiresAt === null || token.obtainedAt === null || token.expiresAt <= token.obtainedAt
    ? margin
    : Math.min(margin, ((token.expiresAt - token.obtainedAt) * 1000) / 4)

/**
 * Whether the token was obtained in the future: the wall clock went back, so its expiry means nothing.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFromTheFuture = (token: Lifetime, now: number): boolean =>
  token.obtainedAt !== null && token.obtainedAt * 1000 > now + CLOCK_TOLERANCE

/**
 * Whether the token has more validity left than the question demands. Without a known expiry it lives until it is
 * rejected.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFresh = (token: Lifetime, question: Question): boolean => {
  if (isFromTheFuture(token, question.now)) return false
  if (token.expiresAt === null) return true
  const needed = Math.max(effectiveMargin(token, question.margin), question.minTtl)
  return question.now + needed < token.expiresAt * 1000
}

/**
 * Whether the token is unexpired and has `minTtl` left: the least that may be served when a refresh did not end well.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isUnexpired = (token: Lifetime, now: number, minTtl = 0): boolean =>
  isFresh(token, { now, margin: 0, minTtl })
