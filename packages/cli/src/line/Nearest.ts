/**
 * The names that may have been meant.
 *
 * @since 0.1.0
 */

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
const distance = (a: string, b: string): number => {
  const rows: Array<Array<number>> = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[i - 2]![j - 2]! + 1)
      }
      row.push(best)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/**
 * Finds at most three names that are close to a word, or that begin with it, nearest first.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (word: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const typed = word.toLowerCase()
  const limit = Math.max(1, Math.min(3, Math.floor(typed.length / 3)))
  return names
    .map((name) => {
      const lower = name.toLowerCase()
      const related = typed.length >= 2 && (lower.startsWith(typed) || typed.startsWith(lower))
      return { name, far: Math.min(related ? limit : Infinity, distance(typed, lower)) }
    })
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name)
}
