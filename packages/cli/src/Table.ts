/**
 * Columns for people.
 *
 * @since 0.1.0
 */
import * as Style from "./Style.js"

const segmenter = new Intl.Segmenter()

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
  let columns = 0
  for (const { segment } of segmenter.segment(Style.strip(text))) columns += WIDE.test(segment) ? 2 : 1
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
