/**
 * What a request must look like, member by member, and the words for what is wrong with it.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Refused, type Reply, type VendorRequest, violate } from "./VendorServer.js"

/**
 * What one member must be. A list stands for that very list, in this order.
 *
 * @since 0.1.0
 * @category models
 */
export type Rule = string | RegExp | ReadonlyArray<string> | ((value: unknown) => boolean)

/**
 * A rule for a member that may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export class Optional extends Data.TaggedClass("Optional")<{ readonly rule: Rule }> {}

/**
 * Lets a member be missing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const optional = (rule: Rule): Optional => new Optional({ rule })

/**
 * Rules by member. A member without a rule may not be there.
 *
 * @since 0.1.0
 * @category models
 */
export type Rules = Readonly<Record<string, Rule | Optional>>

/**
 * Anything that says something.
 *
 * @since 0.1.0
 * @category rules
 */
export const present: Rule = /./s

/**
 * One of several texts.
 *
 * @since 0.1.0
 * @category rules
 */
export const oneOf = (...texts: ReadonlyArray<string>): Rule => (value) =>
  typeof value === "string" && texts.includes(value)

/**
 * The challenge of RFC 7636 section 4.2 with S256: 32 bytes, base64url.
 *
 * @since 0.1.0
 * @category rules
 */
export const challenge: Rule = /^[\w-]{43}$/

/**
 * The verifier of RFC 7636 section 4.1.
 *
 * @since 0.1.0
 * @category rules
 */
export const verifier: Rule = /^[\w\-.~]{43,128}$/

/**
 * A value that cannot be guessed: 32 bytes, base64url or longer.
 *
 * @since 0.1.0
 * @category rules
 */
export const unguessable: Rule = /^[\w-]{43,}$/

type Members = Readonly<Record<string, unknown>>

const obeys = (rule: Rule, value: unknown): boolean => {
  if (typeof rule === "function") return rule(value)
  if (typeof rule === "string") return value === rule
  if (rule instanceof RegExp) return typeof value === "string" && rule.test(value)
  return JSON.stringify(value) === JSON.stringify(rule)
}

const shown = (value: unknown): string => JSON.stringify(value) ?? "nothing"

/**
 * Says what is wrong with the members of a request; nothing where all is well.
 *
 * @since 0.1.0
 * @category getters
 */
export const findings = (rules: Rules, members: Members): ReadonlyArray<string> => [
  ...Object.entries(rules).flatMap(([name, entry]) => {
    const rule = entry instanceof Optional ? entry.rule : entry
    if (!Object.hasOwn(members, name)) return entry instanceof Optional ? [] : [`${name} is missing`]
    return obeys(rule, members[name]) ? [] : [`${name} is ${shown(members[name])}`]
  }),
  ...Object.keys(members).filter((name) => !Object.hasOwn(rules, name)).map((name) => `${name} does not belong there`)
]

/**
 * Refuses members that break the rules.
 *
 * @since 0.1.0
 * @category combinators
 */
export const check = (rules: Rules, members: Members, malformed: Reply): Effect.Effect<void, Refused> => {
  const found = findings(rules, members)
  return found.length === 0 ? Effect.void : violate(found.join("; "), malformed)
}

/**
 * Refuses headers that break the rules; other headers may be there.
 *
 * @since 0.1.0
 * @category combinators
 */
export const checkHeaders = (request: VendorRequest, rules: Rules, malformed: Reply): Effect.Effect<void, Refused> =>
  check(
    rules,
    Object.fromEntries(
      Object.keys(rules).flatMap((name) => request.headers[name] === undefined ? [] : [[name, request.headers[name]]])
    ),
    malformed
  )

const contentType = ({ headers }: VendorRequest): string => headers["content-type"] ?? ""

/** RFC 6749 section 3.2: no parameter twice. */
const fromPairs = (pairs: URLSearchParams, malformed: Reply): Effect.Effect<Members, Refused> => {
  const repeated = [...pairs.keys()].filter((name, index, all) => all.indexOf(name) !== index)
  return repeated.length === 0
    ? Effect.succeed(Object.fromEntries(pairs))
    : violate(`${repeated.join(", ")} is there twice`, malformed)
}

/**
 * Reads the query.
 *
 * @since 0.1.0
 * @category getters
 */
export const query = ({ query }: VendorRequest, malformed: Reply): Effect.Effect<Members, Refused> =>
  fromPairs(query, malformed)

/**
 * Reads a form, and nothing else.
 *
 * @since 0.1.0
 * @category getters
 */
export const form = (request: VendorRequest, malformed: Reply): Effect.Effect<Members, Refused> =>
  /^application\/x-www-form-urlencoded\b/.test(contentType(request))
    ? fromPairs(new URLSearchParams(request.body), malformed)
    : violate(`the body is ${shown(contentType(request))} and not a form`, malformed)

const parse = (body: string): Option.Option<Members> =>
  Option.filter(
    Option.liftThrowable((text: string): unknown => JSON.parse(text))(body),
    (value): value is Members => typeof value === "object" && value !== null && !Array.isArray(value)
  )

/**
 * Reads a JSON object, and nothing else.
 *
 * @since 0.1.0
 * @category getters
 */
export const jsonObject = (request: VendorRequest, malformed: Reply): Effect.Effect<Members, Refused> =>
  Option.match(/^application\/json\b/.test(contentType(request)) ? parse(request.body) : Option.none(), {
    onNone: () => violate(`the body is ${shown(contentType(request))} and not a JSON object`, malformed),
    onSome: Effect.succeed
  })

/**
 * Reads one member that was checked to be text.
 *
 * @since 0.1.0
 * @category getters
 */
export const textOf = (members: Members, name: string): string => {
  const value = members[name]
  return typeof value === "string" ? value : ""
}
