/**
 * Columns for people.
 *
 * @since 0.1.0
 */
import { eastAsianWidth } from "get-east-asian-width"
import * as Style from "./Style.js"

/** Made for the first text that needs one: Node loads ICU's rules for it, a third of what it takes to start. */
let segmenter: Intl.Segmenter | undefined

/** Each of these takes one column. */
const ASCII = /^[\x20-\x7e]*$/

// Not `string-width`, which makes its segmenter as it is loaded: every status would pay for it.
/** A digit or a sign becomes an emoji by what follows it. */
const EMOJI_VARIANT = "\ufe0f"

/** Takes no column of its own. */
const INVISIBLE = /^[\p{Default_Ignorable_Code_Point}\p{Control}\p{Mark}]+$/u

const columnsOf = (segment: string): number =>
  INVISIBLE.test(segment)
    ? 0
    : segment.includes(EMOJI_VARIANT)
    ? 2
    : eastAsianWidth(segment.codePointAt(0)!)

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
  for (const { segment } of segmenter.segment(bare)) columns += columnsOf(segment)
  return columns
}

const pad = (text: string, columns: number): string => text + " ".repeat(Math.max(0, columns - width(text)))

/**
 * Breaks a text into lines of so many columns, between words where that is possible.
 *
 * @since 0.1.0
 * @category rendering
 */
export const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = [""]
  const put = (word: string) => {
    const last = lines[lines.length - 1]!
    if (last === "") lines[lines.length - 1] = word
    else if (width(last) + 1 + width(word) > columns) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  for (const word of text.split(" ")) put(word)
  return lines
}

/** Each row as a list, for a window that is narrower than the table. */
const stacked = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  shown: ReadonlyArray<number>,
  style: Style.Style,
  columns: number
): string => {
  const [first, ...others] = shown
  const left = Math.max(0, ...others.map((index) => width(header[index]!)))
  return rows.map((row) => {
    const cells = others.filter((index) => (row[index] ?? "") !== "").flatMap((index) =>
      wrap(row[index]!, Math.max(10, columns - left - 4)).map((line, at) =>
        `  ${at === 0 ? style.dim(pad(header[index]!, left)) : " ".repeat(left)}  ${line}\n`
      )
    )
    return `${row[first!] ?? ""}\n${cells.join("")}`
  }).join("")
}

/**
 * Aligns rows under a header. Columns that are empty in every row are left out, header and all. Where the window is
 * narrower than that, each row is a list of its own.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (
  header: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  style: Style.Style,
  columns = Infinity
): string => {
  const shown = header.map((_, index) => index).filter((index) => rows.some((row) => (row[index] ?? "") !== ""))
  const widths = shown.map((index) => Math.max(width(header[index]!), ...rows.map((row) => width(row[index] ?? ""))))
  if (widths.reduce((sum, one) => sum + one + 2, -2) > columns) return stacked(header, rows, shown, style, columns)
  const line = (cells: ReadonlyArray<string>, decorate: (text: string) => string) =>
    shown.map((index, position) => {
      const cell = cells[index] ?? ""
      return position === shown.length - 1 ? decorate(cell) : decorate(pad(cell, widths[position]!))
    }).join("  ").trimEnd()
  return [line(header, style.dim), ...rows.map((row) => line(row, (text) => text))].map((text) => `${text}\n`)
    .join("")
}
