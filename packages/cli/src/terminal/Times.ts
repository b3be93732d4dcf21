/**
 * Times as people read them.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

const UNITS = [["d", 86_400], ["h", 3_600], ["m", 60], ["s", 1]] as const

/**
 * Renders a span of milliseconds with its two largest units: `1h 5m`, `45s`.
 *
 * @since 0.1.0
 * @category rendering
 */
export const span = (millis: number): string => {
  let seconds = Math.max(0, Math.round(millis / 1000))
  const first = UNITS.findIndex(([, size]) => seconds >= size)
  if (first === -1) return "0s"
  const parts: Array<string> = []
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(seconds / size)
    if (count > 0) parts.push(`${count}${unit}`)
    seconds -= count * size
  }
  return parts.join(" ")
}

/**
 * Renders a moment relative to now: `in 59m`, `2h 4m ago`, `now`. Milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const relative = (at: number, now: number): string =>
  Math.abs(at - now) < 500 ? "now" : at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`

/**
 * Renders a moment in local time, to the second. Milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category rendering
 */
export const local = (at: number): string => {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return "?"
  const two = (value: number) => String(value).padStart(2, "0")
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${
    two(date.getMinutes())
  }:${two(date.getSeconds())}`
}

/** Date and time of day, with seconds or without; without a zone, in local time. */
const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?$/

/**
 * Reads a moment, in milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Option.Option<number> => {
  const trimmed = text.trim()
  const millis = MOMENT.test(trimmed) ? Date.parse(trimmed.replace(" ", "T")) : Number.NaN
  return Number.isNaN(millis) ? Option.none() : Option.some(millis)
}
