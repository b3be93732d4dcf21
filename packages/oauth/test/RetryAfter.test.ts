import { assert, it } from "@effect/vitest"
import * as RetryAfter from "@lockstep/oauth/RetryAfter"
import * as Option from "effect/Option"

const NOW = Date.UTC(2030, 0, 1)
const none = { retryAfter: null, retryAfterMs: null, date: null }

const table: ReadonlyArray<[string, Partial<typeof none> | Record<string, string>, number | null]> = [
  ["absent", {}, null],
  ["seconds", { retryAfter: "7" }, 7_000],
  ["a fraction of seconds", { retryAfter: "0.5" }, 500],
  ["zero", { retryAfter: "0" }, 0],
  ["milliseconds win", { retryAfter: "7", retryAfterMs: "1250" }, 1_250],
  ["unreadable milliseconds do not", { retryAfter: "7", retryAfterMs: "soon" }, 7_000],
  ["a date", { retryAfter: new Date(NOW + 30_000).toUTCString() }, 30_000],
  ["a date in the past", { retryAfter: new Date(NOW - 30_000).toUTCString() }, 0],
  [
    "a date is measured by the server's clock",
    { retryAfter: new Date(NOW + 3_630_000).toUTCString(), date: new Date(NOW + 3_600_000).toUTCString() },
    30_000
  ],
  ["negative seconds are no number", { retryAfter: "-5 apples" }, null],
  ["words", { retryAfter: "later" }, null],
  ["absurdly long digits", { retryAfter: "9".repeat(40) }, null]
]

it.each(table)("Retry-After: %s", (_, headers, expected) => {
  assert.strictEqual(Option.getOrNull(RetryAfter.millis({ ...none, ...headers }, NOW)), expected)
})
