/**
 * JSON of unknown shape, read member by member. A member of another type than expected is an absent one: what is being
 * read is an answer that may hold the only copy of a token, so nothing in it is a reason to give up.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * A JSON object of which nothing is known.
 *
 * @since 0.1.0
 * @category models
 */
export type JsonObject = { readonly [member: string]: unknown }

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Parses text; anything but an object is `None`. The error is dropped, since it quotes the text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse: (text: string) => Option.Option<JsonObject> = (text) => {
  try {
    return Option.liftPredicate(isObject)(JSON.parse(text))
  } catch {
    return Option.none()
  }
}

const own = (self: JsonObject, member: string): unknown => Object.hasOwn(self, member) ? self[member] : undefined

/**
 * Reads a non-empty string.
 *
 * @since 0.1.0
 * @category getters
 */
export const text = (self: JsonObject, member: string): Option.Option<string> => {
  const value = own(self, member)
  return typeof value === "string" && value !== "" ? Option.some(value) : Option.none()
}

/**
 * Reads a finite number, or a string that is one.
 *
 * @since 0.1.0
 * @category getters
 */
export const number = (self: JsonObject, member: string): Option.Option<number> => {
  const value = own(self, member)
  const read = typeof value === "number"
    ? value
    : typeof value === "string" && /^\s*-?\d+(?:\.\d+)?\s*$/.test(value)
    ? Number(value)
    : Number.NaN
  return Number.isFinite(read) ? Option.some(read) : Option.none()
}

/**
 * Reads a member that is an object.
 *
 * @since 0.1.0
 * @category getters
 */
export const object = (self: JsonObject, member: string): Option.Option<JsonObject> =>
  Option.liftPredicate(isObject)(own(self, member))

/**
 * Reads scopes: one string, or a list of strings.
 *
 * @since 0.1.0
 * @category getters
 */
export const words = (self: JsonObject, member: string): Option.Option<string> => {
  const value = own(self, member)
  return Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === "string")
    ? Option.some(value.join(" "))
    : text(self, member)
}

/**
 * Collects the strings of all members, at any reasonable depth, whose name says that they are secrets.
 *
 * @since 0.1.0
 * @category getters
 */
export const secrets = (self: JsonObject): ReadonlyArray<string> => {
  const found: Array<string> = []
  const visit = (value: unknown, depth: number): void => {
    if (depth > 8 || typeof value !== "object" || value === null) return
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === "string") {
        if (/token|secret|assertion|password|verifier|key/i.test(name)) found.push(member)
      } else visit(member, depth + 1)
    }
  }
  visit(self, 0)
  return found
}
