/**
 * Text from outside on its way to a person: what a server, a file, a variable or an argument chose.
 *
 * A terminal obeys control characters; a reader believes what stands on a line of its own, and does not see that a word
 * runs the other way or hides another. So every character of the categories Cc, Cf, Zl and Zp, and every half of a pair,
 * is replaced before such a text is shown or logged, and this is the one place where that happens.
 *
 * @since 0.1.0
 */

const STEERS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * A text as it may stand inside of a line: each character that would steer is shown as U+FFFD.
 *
 * @since 0.1.0
 * @category combinators
 */
export const inline = (text: string): string => text.replace(STEERS, "\ufffd")

/**
 * Several lines as one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const line = (text: string): string => inline(text.replace(/\s*[\r\n]\s*/g, " "))

const escape = (character: string): string =>
  Array.from(character.split(""), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")

/**
 * A JSON document in which these characters are escaped: the same value to every program, and nothing to a terminal.
 *
 * @since 0.1.0
 * @category rendering
 */
export const json = (value: unknown): string => JSON.stringify(value).replace(STEERS, escape)
