/**
 * The margins of vendors that have one of their own. Imports nothing, so that the start of the command judges a token as
 * the refresh does.
 *
 * @since 0.1.0
 */

/**
 * By vendor id. Milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const table: Readonly<Record<string, number>> = {
  "codex": 300_000,
  "anthropic-oauth": 300_000,
  "xai-oauth": 300_000,
  "gemini": 300_000,
  "antigravity": 300_000,
  "copilot": 300_000,
  "kiro": 120_000
}

/**
 * The margin of a vendor, in milliseconds; `undefined` where it has no margin of its own or is not known.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (vendor: unknown): number | undefined =>
  typeof vendor === "string" && Object.hasOwn(table, vendor) ? table[vendor] : undefined
