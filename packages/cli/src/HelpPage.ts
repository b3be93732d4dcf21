/**
 * A page of help, and how it is laid out on one screen: usage, one line per option, and what to know. Knows nothing of the
 * parser, so that `--help` is answered without it.
 *
 * @since 0.1.0
 */
import type * as Style from "./Style.js"
import * as Table from "./Table.js"

/**
 * What a page says.
 *
 * @since 0.1.0
 * @category models
 */
export interface HelpPage {
  readonly about: ReadonlyArray<string>
  readonly usage: string
  readonly lists: ReadonlyArray<readonly [title: string, items: ReadonlyArray<readonly [string, string]>]>
}

/**
 * Every page by the command that it is about, the empty name for the whole; and how command lines are read.
 *
 * @since 0.1.0
 * @category models
 */
export interface HelpBook {
  readonly commands: ReadonlyArray<string>
  readonly subcommands: Readonly<Record<string, ReadonlyArray<string>>>
  /** The options that take a value. */
  readonly valued: ReadonlyArray<string>
  readonly pages: Readonly<Record<string, HelpPage>>
}

const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = [""]
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1]!
    if (last !== "" && Table.width(last) + 1 + Table.width(word) > columns) lines.push(word)
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`
  }
  return lines
}

/**
 * Renders items as two columns, the second one wrapped.
 *
 * @since 0.1.0
 * @category rendering
 */
export const columns = (
  items: ReadonlyArray<readonly [string, string]>,
  style: Style.Style,
  width: number
): string => {
  const left = Math.min(26, Math.max(...items.map(([name]) => Table.width(name))))
  return items.map(([name, text]) => {
    const lines = [...wrap(text, Math.max(30, Math.min(width, 100) - left - 4))]
    const first = Table.width(name) <= left
      ? `  ${style.cyan(name)}${" ".repeat(left - Table.width(name))}  ${lines.shift() ?? ""}`.trimEnd()
      : `  ${style.cyan(name)}`
    return [first, ...lines.map((line) => " ".repeat(left + 4) + line)].join("\n") + "\n"
  }).join("")
}

/**
 * Lays a page out.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = ({ about, lists, usage }: HelpPage, options: {
  readonly style: Style.Style
  readonly columns: number
}): string => {
  const { style } = options
  const width = Math.min(options.columns, 100)
  return [
    ...about.flatMap((text) => wrap(text, width)).map((line) => `${line}\n`),
    about.length > 0 ? "\n" : "",
    `${style.bold("Usage")}\n  ${usage}\n`,
    ...lists.map(([title, items]) =>
      `\n${style.bold(title.slice(0, 1).toUpperCase() + title.slice(1).toLowerCase())}\n${
        columns(items, style, options.columns)
      }`
    )
  ].join("")
}
