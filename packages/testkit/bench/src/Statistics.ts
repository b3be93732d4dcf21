/**
 * What is told of a series of measurements: the middle and both ends.
 *
 * @since 0.1.0
 */

/**
 * A series of measurements.
 *
 * @since 0.1.0
 * @category models
 */
export interface Summary {
  readonly n: number
  readonly median: number
  readonly min: number
  readonly max: number
}

/**
 * The middle of a series; of an even number the mean of the two in the middle. `NaN` of none.
 *
 * @since 0.1.0
 * @category getters
 */
export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/**
 * Summarises a series; none of an empty one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const summarise = (values: ReadonlyArray<number>): Summary | undefined =>
  values.length === 0
    ? undefined
    : { n: values.length, median: median(values), min: Math.min(...values), max: Math.max(...values) }
