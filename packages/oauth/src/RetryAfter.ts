/**
 * How long a server asks to be left alone.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { WireAnswer } from "./WireExchange.js"

const NUMBER = /^\d{1,12}(?:\.\d{1,6})?$/

const number = (text: string | null): Option.Option<number> =>
  text !== null && NUMBER.test(text.trim()) ? Option.some(Number(text)) : Option.none()

const instant = (text: string | null): Option.Option<number> => {
  const parsed = text === null ? Number.NaN : Date.parse(text)
  return Number.isNaN(parsed) ? Option.none() : Option.some(parsed)
}

/**
 * Reads `Retry-After-Ms`, or `Retry-After` as seconds or as an HTTP date (RFC 9110, section 10.2.3). Milliseconds from
 * now, never negative.
 *
 * A date is compared with the answer's own `Date`, so that a wrong clock here does not stretch the wait.
 *
 * @since 0.1.0
 * @category getters
 */
export const millis = (
  answer: Pick<WireAnswer, "retryAfter" | "retryAfterMs" | "date">,
  now: number
): Option.Option<number> =>
  number(answer.retryAfterMs).pipe(
    Option.orElse(() => Option.map(number(answer.retryAfter), (seconds) => seconds * 1000)),
    Option.orElse(() =>
      Option.map(
        instant(answer.retryAfter),
        (until) => Math.max(0, until - Option.getOrElse(instant(answer.date), () => now))
      )
    )
  )
