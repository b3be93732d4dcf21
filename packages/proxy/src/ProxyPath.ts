/**
 * Whether a path stays where it is, in the eyes of every server that may read it. Servers stand behind servers: each may
 * take off one more layer of escapes, know other ones than RFC 3986 does (`%u002e`, overlong UTF-8, wide characters that
 * are folded into narrow ones), pass over what it takes for nothing (NUL, blanks, controls), and end a segment at `;`.
 *
 * So a path is looked at in each of the ways in which one of them may read it, and leads out if it does so in any.
 *
 * @since 0.1.0
 */

/** How many readings a path may have. One that is escaped more often is meant for no server. */
const MAX_READINGS = 24

/** What folding turns into a slash or a dot of Unicode's own, and no normal form does. */
const SEPARATOR = /[/\\\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c]/

const BLANK = "[\\p{C}\\p{Z}]*"

/** Has neither a dot nor anything that could become one. */
const PLAIN = /^[\w/~!$&'()*+,=:@-]*$/

/** One dot or two, with what may be passed over around them, at the end of a segment or before what may end it. */
const DOTS = new RegExp(`^${BLANK}\\.${BLANK}(?:\\.${BLANK})?(?:$|[;?#])|^${BLANK}\\.${BLANK}\\.?[\\p{C}\\p{Z}]`, "u")

/** Without one layer of escapes: bytes, each as one character. */
const unescaped = (text: string): string =>
  text.replace(
    /%u([0-9a-f]{4})|%([0-9a-f]{2})/gi,
    (_, wide?: string, byte?: string) => String.fromCharCode(Number.parseInt(wide ?? byte!, 16))
  )

/** Bytes read as UTF-8 by a decoder that checks nothing: overlong forms and broken ones mean what their bits say. */
const widened = (text: string): string =>
  text.replace(
    /[\u00c0-\u00df][\0-\u00ff]|[\u00e0-\u00ef][\0-\u00ff]{2}|[\u00f0-\u00f7][\0-\u00ff]{3}/g,
    (sequence) => {
      const [lead, ...rest] = Array.from(sequence, (character) => character.charCodeAt(0))
      const bits = lead! & (0x7f >> (rest.length + 1))
      const point = rest.reduce((sum, byte) => sum * 64 + (byte & 0x3f), bits)
      return point > 0x10ffff ? "\ufffd" : String.fromCodePoint(point)
    }
  ).normalize("NFKC")

const hasDots = (text: string): boolean => text.split(SEPARATOR).some((segment) => DOTS.test(segment))

/**
 * Whether any server may take a path for one that leads elsewhere.
 *
 * @since 0.1.0
 * @category predicates
 */
export const leadsOut = (path: string): boolean => {
  if (PLAIN.test(path)) return false
  if (path.includes("#")) return true
  // A set is walked through with what is added on the way.
  const readings = new Set([path])
  for (const reading of readings) {
    if (readings.size > MAX_READINGS || hasDots(reading)) return true
    readings.add(unescaped(reading))
    readings.add(widened(reading))
  }
  return false
}
