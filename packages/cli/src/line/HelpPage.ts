/**
 * A page of help, and how it is laid out on one screen: usage, one line per option, and what to know. Knows nothing of the
 * parser, so that `--help` is answered without it.
 *
 * @since 0.1.0
 */
import * as Style from "../terminal/Style.js"
import * as Table from "../terminal/Table.js"

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

/** What is narrower than this beside its name goes beneath it. */
const NARROW = 30

/**
 * Renders items as two columns, the second one wrapped; in a narrow window, each with its text beneath.
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
  const room = Math.min(width, 100) - left - 4
  const indent = room < NARROW ? 4 : left + 4
  return items.map(([name, text]) => {
    const lines = [...Table.wrap(Style.spell(text, style), room < NARROW ? Math.min(width, 100) - indent : room)]
    const names = Table.wrap(name, Math.max(20, Math.min(width, 100) - 4)).map((line, at) =>
      `${at === 0 ? "  " : "    "}${style.cyan(line)}`
    )
    const first = indent > 4 && Table.width(name) <= left
      ? [`${names[0]}${" ".repeat(left - Table.width(name))}  ${lines.shift() ?? ""}`.trimEnd()]
      : names
    return [...first, ...lines.map((line) => " ".repeat(indent) + line)].join("\n") + "\n"
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
    ...about.flatMap((text) => Table.wrap(text, width)).map((line) => `${line}\n`),
    about.length > 0 ? "\n" : "",
    `${style.bold("Usage")}\n${
      Table.wrap(Style.spell(usage, style), width - 4).map((line, at) => `${at === 0 ? "  " : "    "}${line}\n`).join(
        ""
      )
    }`,
    ...lists.map(([title, items]) =>
      `\n${style.bold(title.slice(0, 1).toUpperCase() + title.slice(1).toLowerCase())}\n${
        columns(items, style, options.columns)
      }`
    )
  ].join("")
}
