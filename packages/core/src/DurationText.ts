/**
 * Spans of time as people write them in options and variables. Imports nothing, so that the start of the command reads
 * them as everything else does.
 *
 * @since 0.1.0
 */

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads `300`, `300s`, `1.5 h`: milliseconds. A bare number is seconds. `undefined` for every other text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const millis = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/.exec(text.trim())
  return match === null ? undefined : Number(match[1]) * UNITS[match[2] ?? "s"]!
}
