/**
 * The text of a key file: one key a line, as 64 hex digits or as base64; `#` begins a comment.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as SealingKeys from "../secrets/SealingKeys.js"

/** Bytes: room for far more keys than a file has. */
export const LIMIT = 65_536

/** `base64` of any program, with or without its padding, in either alphabet. Node alone would read anything. */
const decodeBase64 = (line: string): Buffer | undefined => {
  const bare = line.replace(/=$/, "").replaceAll("-", "+").replaceAll("_", "/")
  const bytes = Buffer.from(bare, "base64")
  return /^[A-Za-z0-9+/]{43}$/.test(bare) && bytes.toString("base64") === `${bare}=` ? bytes : undefined
}

const decodeLine = (line: string): Buffer | undefined =>
  /^[0-9a-fA-F]{64}$/.test(line) ? Buffer.from(line, "hex") : decodeBase64(line)

/** Reads the keys. What is wrong is told by line, and nothing of a line is quoted. */
export const parse = (text: string): Either.Either<NonEmptyReadonlyArray<SealingKeys.SealingKey>, string> => {
  const keys: Array<SealingKeys.SealingKey> = []
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim()
    if (line === "" || line.startsWith("#")) continue
    const bytes = decodeLine(line)
    if (bytes === undefined) {
      return Either.left(`line ${at + 1} is no key: 32 bytes are expected, as 64 hex digits or as base64`)
    }
    const key = SealingKeys.fromBytes(bytes)
    if (!keys.some(({ id }) => id === key.id)) keys.push(key)
  }
  return Arr.isNonEmptyReadonlyArray(keys) ? Either.right(keys) : Either.left("there is no key in it")
}

/** Puts a key before the others; every other byte stays. */
export const prepend = (text: string, { key }: SealingKeys.SealingKey): string =>
  `${Buffer.from(Redacted.value(key)).toString("base64")}\n${text}`
