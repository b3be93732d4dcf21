/**
 * Colours for people.
 *
 * @since 0.1.0
 */

import { styleText } from "node:util"

/**
 * Paints text. Without colour each function answers with the text as it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface TerminalStyle {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly accent: (text: string) => string
}

/**
 * Paints, or does not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (colour: boolean): TerminalStyle => {
  const paint = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    colour && text !== "" ? styleText(format, text, { validateStream: false }) : text
  return { bold: paint("bold"), dim: paint("dim"), good: paint("green"), bad: paint("red"), accent: paint("cyan") }
}

/**
 * Whether to paint: on a terminal, unless `NO_COLOR` is set; and always with `FORCE_COLOR`, unless that is `0`.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isWanted = (env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean => {
  const force = env["FORCE_COLOR"]
  if (force !== undefined && force !== "") return force !== "0"
  return isTerminal && (env["NO_COLOR"] ?? "") === ""
}
