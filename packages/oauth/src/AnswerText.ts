/**
 * The text of a body, by what its bytes say and not by what its label says: an answer that may hold the only copy of a
 * token is read in whatever encoding it came.
 *
 * @since 0.1.0
 */

const BOM = /^\uFEFF+/

/** Where the first character of JSON, which is ASCII, is two bytes (RFC 4627 section 3), with a byte-order mark or not. */
const wide = ([first, second]: Uint8Array): "utf-16be" | "utf-16le" | undefined => {
  if (first === 0xfe && second === 0xff) return "utf-16be"
  if (first === 0xff && second === 0xfe) return "utf-16le"
  if (first === 0 && second !== undefined && second !== 0) return "utf-16be"
  return second === 0 && first !== undefined && first !== 0 ? "utf-16le" : undefined
}

const charsetOf = (contentType: string): string => /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(contentType)?.[1] ?? ""

/** A body that was cut short may end inside a character: that is no error. */
const decoded = (body: Uint8Array, label: string, fatal: boolean): string | undefined => {
  try {
    return new TextDecoder(label, { fatal }).decode(body, { stream: true })
  } catch {
    return undefined
  }
}

/**
 * Reads a body: UTF-16 if it begins like that, UTF-8 if it is that, else in the charset of its label, else byte by byte.
 * Byte-order marks are dropped.
 *
 * @since 0.1.0
 * @category decoding
 */
export const read = (body: Uint8Array, contentType: string): string => {
  const label = wide(body)
  const text = (label === undefined ? undefined : decoded(body, label, false)) ??
    decoded(body, "utf-8", true) ??
    decoded(body, charsetOf(contentType) || "windows-1252", false) ??
    decoded(body, "windows-1252", false) ??
    ""
  return text.replace(BOM, "")
}
