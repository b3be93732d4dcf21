/**
 * Damage to a text, made from a seed: the same seed and number make the same damage on every machine.
 */

/** Numbers from 0 to below 1. (mulberry32) */
export type Random = () => number

export const random = (seed: number): Random => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const below = (next: Random, limit: number): number => Math.floor(next() * limit)

const pick = <A>(next: Random, from: ReadonlyArray<A>): A => from[below(next, from.length)]!

/** What a writer, an editor or a disk leaves between the characters of a file. */
const FRAGMENTS = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "\"",
  "\\",
  "\\u0000",
  "\\ud800",
  "\0",
  "\uFEFF",
  "\ud83d",
  "\r\n",
  "\t",
  " ",
  "-",
  "+",
  "0",
  "1e999",
  "18446744073709551616",
  "0.5",
  "null",
  "true",
  "é",
  "\u2028",
  "//",
  "/*",
  "'",
  "__proto__",
  "\u007f"
]

const VALUES = [
  "null",
  "true",
  "false",
  "0",
  "-1",
  "7",
  "0.5",
  "1e999",
  "-1e999",
  "1e400",
  "18446744073709551615",
  "9007199254740993",
  "\"\"",
  "\"x\"",
  "\"\\ud800\"",
  "\"\\u0000\"",
  "\"__proto__\"",
  "\"1790000000\"",
  "[]",
  "{}",
  "[[]]",
  "[null]",
  "{\"x\":1}",
  "[{\"access_token\":1}]"
]

/** A scalar value behind a colon. */
const SCALAR = /:\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)/g

/** A whole member with a scalar value. */
const MEMBER = /"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)/g

/** The name of a member. */
const NAME = /"((?:[^"\\]|\\.)*)"\s*:/g

const matches = (text: string, pattern: RegExp): ReadonlyArray<RegExpMatchArray> => [...text.matchAll(pattern)]

const splice = (text: string, at: number, deleted: number, inserted: string): string =>
  text.slice(0, at) + inserted + text.slice(at + deleted)

type Mutation = (text: string, next: Random) => string

const touched: Mutation = (text, next) =>
  splice(text, below(next, text.length + 1), below(next, 4), next() < 0.7 ? pick(next, FRAGMENTS) : "")

const truncated: Mutation = (text, next) => text.slice(0, below(next, text.length + 1))

const beheaded: Mutation = (text, next) => text.slice(below(next, text.length + 1))

/** Where a value or a member may begin or end: a slice from inside a secret would not be a secret any more. */
const SEAM = /[{}[\],]/g

const repeated: Mutation = (text, next) => {
  const seams = matches(text, SEAM).map(({ index }) => index!)
  if (seams.length < 2) return touched(text, next)
  const from = pick(next, seams)
  const slice = text.slice(from, pick(next, seams.filter((seam) => seam >= from)))
  return splice(text, pick(next, seams), 0, slice)
}

/** One value becomes another: what is left is JSON, and often damaged in one record alone. */
export const retyped: Mutation = (text, next) => {
  const found = matches(text, SCALAR)
  if (found.length === 0) return touched(text, next)
  const one = pick(next, found)
  return splice(text, one.index! + one[0].length - one[1]!.length, one[1]!.length, pick(next, VALUES))
}

const doubled: Mutation = (text, next) => {
  const found = matches(text, MEMBER)
  if (found.length === 0) return touched(text, next)
  const [first, second] = [pick(next, found), pick(next, found)]
  return splice(text, second.index!, 0, `${first[0]},`)
}

/** Never to another member's name: a token that a file calls an account is one. */
const NAMES = ["__proto__", "constructor", "toString", "", " ", "\\u0000", "\\ud800", "x"]

const renamed: Mutation = (text, next) => {
  const found = matches(text, NAME)
  if (found.length === 0) return touched(text, next)
  const one = pick(next, found)
  return splice(text, one.index! + 1, one[1]!.length, next() < 0.3 ? one[1]!.toUpperCase() : pick(next, NAMES))
}

const overlapped: Mutation = (text, next) => text + text.slice(below(next, text.length + 1))

const MUTATIONS: ReadonlyArray<Mutation> = [
  touched,
  touched,
  truncated,
  beheaded,
  repeated,
  retyped,
  retyped,
  doubled,
  renamed,
  overlapped
]

/** One to four kinds of damage, one after the other. */
export const mutate = (text: string, next: Random): string => {
  let mutant = text
  for (let left = 1 + below(next, 4); left > 0; left--) mutant = pick(next, MUTATIONS)(mutant, next)
  return mutant
}

/** Bytes that are often no text. */
export const corrupt = (bytes: Uint8Array, next: Random): Uint8Array => {
  const mutant = Buffer.from(bytes)
  for (let left = 1 + below(next, 4); left > 0 && mutant.length > 0; left--) {
    mutant[below(next, mutant.length)] = below(next, 256)
  }
  return next() < 0.3 ? mutant.subarray(0, below(next, mutant.length + 1)) : mutant
}

/** Characters. What takes the square of it in time would not end. */
const HUGE = 1024 * 1024
const DEEP = 100_000

/** Texts that are too much of something, made of a sound one. */
export const extremes = (text: string): ReadonlyArray<readonly [name: string, text: string]> => {
  const [value] = matches(text, SCALAR)
  const put = (inserted: string): string =>
    value === undefined
      ? inserted
      : splice(text, value.index! + value[0].length - value[1]!.length, value[1]!.length, inserted)
  return [
    ["nothing", ""],
    ["a byte order mark alone", "\uFEFF"],
    ["a byte order mark in front", `\uFEFF${text}`],
    ["NUL bytes", "\0".repeat(4096)],
    ["a lone surrogate", put("\"\\ud800\"")],
    ["1 MB of white space behind", text + " ".repeat(HUGE)],
    ["1 MB of brackets", "[".repeat(HUGE)],
    ["1 MB of braces", "{\"a\":".repeat(HUGE / 5)],
    ["1 MB in one value", put(`"${"x".repeat(HUGE)}"`)],
    ["1 MB of digits", put("9".repeat(HUGE))],
    ["1 MB of quotes", "\"".repeat(HUGE)],
    ["1 MB of backslashes", `"${"\\".repeat(HUGE)}`],
    ["lists in lists, 100,000 deep", put("[".repeat(DEEP) + "]".repeat(DEEP))],
    ["objects in objects, 100,000 deep", put("{\"a\":".repeat(DEEP) + "1" + "}".repeat(DEEP))],
    ["100,000 members", put(`{${Array.from({ length: DEEP }, (_, i) => `"m${i}":1`).join(",")}}`)]
  ]
}
