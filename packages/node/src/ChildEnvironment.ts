/**
 * What a program is told that is not ours: everything but the address of the database, which opens every login of a fleet.
 *
 * @since 0.1.0
 */

/**
 * The variables that no other program is given.
 *
 * @since 0.1.0
 * @category constants
 */
export const WITHHELD = ["LOCKSTEP_POSTGRES_URL_FILE", "LOCKSTEP_POSTGRES_URL"] as const

/**
 * The environment without them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !WITHHELD.some((one) => one === name)))
