/**
 * @since 0.1.0
 */

/**
 * One promise.
 *
 * @since 0.1.0
 * @category models
 */
export interface Claim {
  readonly goal: string
  readonly measured: string
  readonly met: boolean
}
