/**
 * @since 0.1.0
 */

/**
 * What the doctor says about one thing: a problem comes with what to do, a remark is good to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly kind: "problem" | "remark"
  readonly message: string
  readonly advice: string | null
}

/**
 * What one check found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Checked {
  readonly check: string
  readonly findings: ReadonlyArray<Finding>
}

/**
 * Something to repair.
 *
 * @since 0.1.0
 * @category constructors
 */
export const problem = (message: string, advice: string): Finding => ({ kind: "problem", message, advice })

/**
 * Something good to know.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remark = (message: string): Finding => ({ kind: "remark", message, advice: null })

/**
 * An error of the library, which brings its own advice.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = (error: { readonly message: string; readonly advice: string }): Finding =>
  problem(error.message, error.advice)
