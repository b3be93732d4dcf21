/**
 * JSON that another tool wrote, read member by member. A member of another type than expected is an absent one, an empty
 * string is no token, and nothing that is read is ever quoted.
 *
 * @since 0.1.0
 */
import * as JsonTree from "@lockstep/node/JsonTree"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

/**
 * An object of which nothing is known.
 *
 * @since 0.1.0
 * @category models
 */
export type Members = Readonly<Record<string, unknown>>

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const evaluate = Option.liftThrowable((text: string): unknown => JSON.parse(text))

const BYTE_ORDER_MARK = /^\uFEFF/

const damageOf = (text: string): Damage =>
  Either.match(JsonTree.parse(text), {
    onLeft: (offset) => `${JsonTree.position(text, offset)}: not JSON`,
    onRight: ({ start }) => `${JsonTree.position(text, start)}: not of the expected kind`
  })

const parseTo = <A>(text: string, isExpected: (value: unknown) => value is A): Either.Either<A, Damage> => {
  const body = text.replace(BYTE_ORDER_MARK, "")
  return Either.fromOption(Option.filter(evaluate(body), isExpected), () => damageOf(body))
}

/**
 * Parses an object. Fails with the place of the damage.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<Members, Damage> => parseTo(text, isMembers)

/**
 * Parses a list of objects; what is not an object is left out. Fails with the place of the damage.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseList = (text: string): Either.Either<ReadonlyArray<Members>, Damage> =>
  Either.map(parseTo(text, Array.isArray), (items) => items.filter(isMembers))

/** The end of the first object of a text, by its braces. */
const endOfObject = (text: string): number => {
  let depth = 0
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (inString) {
      if (character === "\\") i++
      else if (character === "\"") inString = false
    } else if (character === "\"") inString = true
    else if (character === "{") depth++
    else if (character === "}" && --depth <= 0) return i + 1
  }
  return text.length
}

/**
 * Parses the object that a text begins with, whatever follows it: writers that overlapped left the end of the longer
 * text behind that of the shorter one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseLeading = (text: string): Either.Either<Members, Damage> =>
  Either.orElse(parse(text), (damage) => Either.mapLeft(parse(text.slice(0, endOfObject(text))), () => damage))

const own = (members: Members, name: string): unknown => Object.hasOwn(members, name) ? members[name] : undefined

/**
 * Reads a string that is not empty.
 *
 * @since 0.1.0
 * @category getters
 */
export const text = (members: Members, name: string): Option.Option<string> =>
  Option.liftPredicate((value: unknown): value is string => typeof value === "string" && value !== "")(
    own(members, name)
  )

/**
 * Reads a finite number.
 *
 * @since 0.1.0
 * @category getters
 */
export const number = (members: Members, name: string): Option.Option<number> =>
  Option.liftPredicate((value: unknown): value is number => Number.isFinite(value))(own(members, name))

/**
 * Reads an object.
 *
 * @since 0.1.0
 * @category getters
 */
export const object = (members: Members, name: string): Option.Option<Members> =>
  Option.liftPredicate(isMembers)(own(members, name))

/**
 * Reads scopes: one string, or a list of strings.
 *
 * @since 0.1.0
 * @category getters
 */
export const words = (members: Members, name: string): Option.Option<string> => {
  const value = own(members, name)
  return Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === "string")
    ? Option.some(value.join(" "))
    : text(members, name)
}

/**
 * Lists the members that are objects, by name.
 *
 * @since 0.1.0
 * @category getters
 */
export const objects = (members: Members): ReadonlyArray<readonly [name: string, value: Members]> =>
  Object.entries(members).filter((entry): entry is [string, Members] => isMembers(entry[1]))
