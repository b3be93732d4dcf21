/**
 * What the second process of the lock check says. A lock that it finds busy it tells at once, with a byte on its standard
 * output; once its standard input has ended it tries again. It ends with what it found last.
 *
 * @since 0.1.0
 */

/**
 * What came of one try.
 *
 * @since 0.1.0
 * @category models
 */
export type Answer = "acquired" | "busy" | "failed"

const CODES: Readonly<Record<Answer, number>> = { acquired: 0, busy: 75, failed: 1 }

/**
 * The exit code of an answer.
 *
 * @since 0.1.0
 * @category getters
 */
export const codeOf = (answer: Answer): number => CODES[answer]

/**
 * The answer of an exit code.
 *
 * @since 0.1.0
 * @category getters
 */
export const answerOf = (code: number | null): Answer =>
  code === CODES.acquired ? "acquired" : code === CODES.busy ? "busy" : "failed"
