/**
 * A QR code of an address, for the camera of a phone that looks at a terminal.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import { encode } from "uqr"
import * as Style from "../terminal/Style.js"

/** The quiet zone in modules, the wider one first: ISO/IEC 18004 asks for four, terminals have eighty columns. */
const BORDERS = [4, 2, 1]

/** Two modules in one character, the upper one first. Light is what is drawn: terminals are dark, paper is not. */
const BLOCKS = { "11": " ", "10": "▄", "01": "▀", "00": "█" } as const

/** Without block characters a module takes two columns and a line of its own. */
const inAscii = (data: ReadonlyArray<ReadonlyArray<boolean>>): ReadonlyArray<string> =>
  data.map((row) => row.map((isDark) => isDark ? "  " : "##").join(""))

/** Black on white, whatever the theme of the terminal. */
const onPaper = (line: string): string => `\u001b[38;5;231;48;5;16m${line}\u001b[39;49m`

/**
 * Draws a text as lines, each ended. `None` where the window is too narrow: a code that is wrapped cannot be read.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (text: string, options: {
  readonly style: Style.Style
  readonly columns: number
}): Option.Option<string> => {
  const isAscii = Style.isAscii(options.style)
  const code = BORDERS.map((border) => encode(text, { ecc: "L", border })).find(({ size }) =>
    size * (isAscii ? 2 : 1) <= options.columns
  )
  if (code === undefined) return Option.none()
  if (isAscii) return Option.some(inAscii(code.data).map((line) => `${line}\n`).join(""))
  const { data, size } = code
  const lines: Array<string> = []
  for (let y = 0; y < size; y += 2) {
    const line = data[y]!.map((isDark, x) => BLOCKS[`${isDark ? 1 : 0}${data[y + 1]?.[x] === true ? 1 : 0}`]).join("")
    lines.push(`${options.style.isPlain ? line : onPaper(line)}\n`)
  }
  return Option.some(lines.join(""))
}
