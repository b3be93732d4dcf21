/**
 * Processor time, as `times` of bash tells it.
 *
 * @since 0.1.0
 */

/**
 * Reads what the children of a shell took, user and system, out of what `times` wrote last: its second line. Milliseconds.
 *
 * @since 0.1.0
 * @category getters
 */
export const ofChildren = (text: string): number => {
  const line = text.trim().split("\n").at(-1) ?? ""
  const seconds = [...line.matchAll(/(\d+)m([\d.,]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds!.replace(",", ".")),
    0
  )
  return seconds * 1_000
}
