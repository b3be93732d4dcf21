/**
 * Columns for people.
 *
 * @since 0.1.0
 */
import * as Style from "./Style.js"

/** Made for the first text that needs one: Node loads ICU's rules for it, a third of what it takes to start. */
let segmenter: Intl.Segmenter | undefined

/** Each of these takes one column. */
const ASCII = /^[\x20-\x7e]*$/

// East Asian wide and emoji, near enough for a table.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u

/**
 * The number of terminal columns that a text takes.
 *
 * @since 0.1.0
 * @category getters
 */
export const width = (text: string): number => {
  const bare = Style.strip(text)
  if (ASCII.test(bare)) return bare.length
  segmenter ??= new Intl.Segmenter()
  let columns = 0
  for (const { segment } of segmenter.segment(bare)) columns += WIDE.test(segment) ? 2 : 1
  return columns
}

const pad = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - width(text)))

/**
 * Aligns rows under a header. Columns that are empty in every row are left out, header and all.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  style: Style.Style
): string => {
  const shown = header.map((_, index) => index).filter((index) => rows.some((row) => (row[index] ?? "") !== ""))
  const widths = shown.map((index) => Math.max(width(header[index]!), ...rows.map((row) => width(row[index] ?? ""))))
  const render = (cells: ReadonlyArray<string>, decorate: (text: string) => string) =>
    shown.map((index, position) => {
      const cell = cells[index] ?? ""
      return position === shown.length - 1 ? decorate(cell) : decorate(pad(cell, widths[position]!))
    }).join("  ").trimEnd()
  return [render(header, style.dim), ...rows.map((row) => render(row, (text) => text))].map((text) => `${text}\n`)
    .join("")
}
