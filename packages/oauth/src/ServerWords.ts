/**
 * What a server said, made fit for a message, a log and a terminal (I6).
 *
 * A server may echo anything: the token that it was sent, the one that it just made, escape sequences. Known secrets
 * are found by any twelve characters in a row, so that a shortened or a percent-encoded echo is found as well; what
 * looks like a token is dropped without being known.
 *
 * @since 0.1.0
 */

const SHORT_SECRET = 12
const READ_LIMIT = 2_000
const LENGTH_LIMIT = 200
const PLACEHOLDER = "…"

/** Control, format, private-use and unassigned characters, and the separators that break lines. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\s]+/gu

/** Twenty characters of a token's alphabet with a digit among them, or 32 without: error codes in words are shorter. */
const TOKEN_LIKE = /(?=[\w\-.~+/=%]*\d)[\w\-.~+/=%]{20,}|[\w\-.~+/=%]{32,}/g

const withoutSecret = (text: string, secret: string): string => {
  if (secret === "") return text
  if (secret.length <= SHORT_SECRET) return text.replaceAll(secret, PLACEHOLDER)
  let kept = ""
  let at = 0
  while (at < text.length) {
    let end = at
    for (let from = at; from <= end && secret.includes(text.slice(from, from + SHORT_SECRET)); from++) {
      if (from + SHORT_SECRET > text.length) break
      end = from + SHORT_SECRET
    }
    kept += end > at ? PLACEHOLDER : text[at]!
    at = Math.max(end, at + 1)
  }
  return kept
}

/**
 * Keeps at most 200 printable characters of a text and nothing of the given secrets.
 *
 * @since 0.1.0
 * @category constructors
 */
export const publish = (text: string, secrets: ReadonlyArray<string>): string => {
  const readable = text.slice(0, READ_LIMIT).replace(UNPRINTABLE, " ").trim()
  const clean = secrets.reduce(withoutSecret, readable).replace(TOKEN_LIKE, PLACEHOLDER)
  return clean.length <= LENGTH_LIMIT ? clean : `${clean.slice(0, LENGTH_LIMIT - 1)}${PLACEHOLDER}`
}
