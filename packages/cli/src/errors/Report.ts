/**
 * @since 0.1.0
 */

/**
 * An error, as it is told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly tag: string
  readonly reason: string | null
  readonly message: string
  readonly advice: string
  readonly exitCode: number
  /** Members that a program may act on: `tenant`, `retry_after`, `holder`. Never a secret. */
  readonly details: Readonly<Record<string, unknown>>
}
