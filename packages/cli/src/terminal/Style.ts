/**
 * Colour for people, none for programs.
 *
 * @since 0.1.0
 */
import * as Printable from "@lockstep/core/Printable"
import { styleText } from "node:util"
import * as Locale from "./Locale.js"

/**
 * Our own characters beyond ASCII, or what stands for them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Glyphs {
  readonly arrow: string
  readonly tick: string
  readonly cross: string
  readonly dots: string
}

const GLYPHS: Glyphs = { arrow: "→", tick: "✓", cross: "✗", dots: "…" }

const ASCII: Glyphs = { arrow: "->", tick: "ok", cross: "!!", dots: "..." }

/**
 * Decorates text for one stream, or leaves it alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Style {
  readonly isPlain: boolean
  readonly glyphs: Glyphs
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const same = (text: string): string => text

/** Whether a stream is decorated is decided here, for both streams, and not by what Node finds out about one. */
const styled = (format: Parameters<typeof styleText>[0]) => (text: string): string =>
  styleText(format, text, { validateStream: false })

/**
 * No decoration.
 *
 * @since 0.1.0
 * @category constructors
 */
export const plain: Style = {
  isPlain: true,
  glyphs: GLYPHS,
  bold: same,
  dim: same,
  red: same,
  green: same,
  yellow: same,
  cyan: same
}

/**
 * The sixteen colours that every terminal has.
 *
 * @since 0.1.0
 * @category constructors
 */
export const coloured: Style = {
  isPlain: false,
  glyphs: GLYPHS,
  bold: styled("bold"),
  dim: styled("dim"),
  red: styled("red"),
  green: styled("green"),
  yellow: styled("yellow"),
  cyan: styled("cyan")
}

const isOn = (value: string | undefined): boolean => value !== undefined && value !== "" && value !== "0"

/**
 * The same style with nothing beyond ASCII of our own. What users and servers chose stays as it is.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inAscii = (style: Style): Style => ({ ...style, glyphs: ASCII })

/**
 * Whether a style has nothing beyond ASCII.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAscii = ({ glyphs }: Pick<Style, "glyphs">): boolean => glyphs === ASCII

/**
 * Writes a text of our own with the characters that a style has.
 *
 * @since 0.1.0
 * @category combinators
 */
export const spell = (text: string, { glyphs }: Pick<Style, "glyphs">): string =>
  glyphs === GLYPHS
    ? text
    : text.replaceAll(GLYPHS.arrow, glyphs.arrow).replaceAll(GLYPHS.dots, glyphs.dots)
      .replaceAll(GLYPHS.tick, glyphs.tick).replaceAll(GLYPHS.cross, glyphs.cross)

/**
 * Whether a stream is decorated: `NO_COLOR` and `FORCE_COLOR` decide, then `CLICOLOR_FORCE`, then `CLICOLOR=0` and
 * `TERM=dumb`, then whether it is a terminal. The locale decides whether it has more than ASCII.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forStream = (
  stream: { readonly isTTY?: boolean | undefined },
  env: Readonly<Record<string, string | undefined>>
): Style => {
  const style = colourOf(stream, env)
  return Locale.isAscii(env) ? inAscii(style) : style
}

const colourOf = (
  stream: { readonly isTTY?: boolean | undefined },
  env: Readonly<Record<string, string | undefined>>
): Style => {
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return plain
  if (env["FORCE_COLOR"] !== undefined) {
    return env["FORCE_COLOR"] === "0" || env["FORCE_COLOR"] === "false" ? plain : coloured
  }
  if (isOn(env["CLICOLOR_FORCE"])) return coloured
  if (env["CLICOLOR"] === "0" || env["TERM"] === "dumb") return plain
  return stream.isTTY === true ? coloured : plain
}

// eslint-disable-next-line no-control-regex -- escape sequences are what is removed
const SEQUENCE = /\u001b\[[0-9;]*[A-Za-z]/g

/**
 * Removes the decoration.
 *
 * @since 0.1.0
 * @category combinators
 */
export const strip = (text: string): string => text.replace(SEQUENCE, "")

/**
 * Replaces what would steer a terminal or begin a line, in text that a server or a file chose.
 *
 * @since 0.1.0
 * @category combinators
 */
export const printable = Printable.inline

/**
 * Goes back to the beginning of a line, `above` rows up, and erases the line, or everything from there on: the one place
 * where this command steers a terminal, apart from colours. {@link harmless} lets exactly these sequences through.
 *
 * @since 0.1.0
 * @category combinators
 */
export const redraw = (erased: "line" | "rest", above = 0): string =>
  `${above > 0 ? `\u001b[${above}A` : ""}\r\u001b[${erased === "line" ? "K" : "J"}`

// eslint-disable-next-line no-control-regex -- what this command itself writes to a terminal
const OWN = /(\n|\t|\u001b\[[0-9;]*m|(?:\u001b\[[0-9]+A)?\r\u001b\[[JK])/

/**
 * Replaces what would steer a terminal in everything that is written, but for lines, colours, and {@link redraw}.
 *
 * @since 0.1.0
 * @category combinators
 */
export const harmless = (text: string): string =>
  text.split(OWN).map((part, at) => at % 2 === 1 ? part : Printable.inline(part)).join("")
