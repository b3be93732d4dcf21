/**
 * A configuration of kubectl: a user of ours, and perhaps a context that is that user's. kubectl's own command would write
 * the file anew, without its comments; here places are found in the text, and everything else of it is copied. What comes
 * of it is parsed and compared with what was meant before it is believed.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { isDeepStrictEqual } from "node:util"
import * as Yaml from "yaml"
import type { Edit, Fault } from "./SettingsFile.js"

/**
 * What is to be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  readonly name: string
  readonly exec: Readonly<Record<string, string | ReadonlyArray<string>>>
  /** The context that is to be this user's. */
  readonly context: Option.Option<string>
}

type Members = Readonly<Record<string, unknown>>

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** As `{name, user}` or `{name, context}` in a list. */
const named = (list: unknown, name: string): Members | undefined =>
  Array.isArray(list) ? list.filter(isMembers).find((one) => one["name"] === name) : undefined

const PARSING = { prettyErrors: false, logLevel: "silent", keepSourceTokens: false } as const

const parse = (text: string): Either.Either<Yaml.Document.Parsed, Fault> => {
  const documents = Yaml.parseAllDocuments(text, PARSING)
  const [document] = documents
  if (documents.length !== 1 || document === undefined || !("contents" in document) || document.errors.length > 0) {
    return Either.left("is not one document of YAML that can be read")
  }
  return Either.right(document as Yaml.Document.Parsed)
}

const toJs = (document: Yaml.Document.Parsed): Either.Either<Members, Fault> =>
  Either.flatMap(
    Either.try({
      try: (): unknown => document.toJS({ maxAliasCount: 100 }),
      catch: (): Fault => "has too many aliases"
    }),
    (value) => isMembers(value) ? Either.right(value) : Either.left("is not a configuration of kubectl")
  )

const userOf = ({ exec, name }: Wanted): Members => ({ name, user: { exec } })

/** A list's item, in a block of YAML, whose dash stands at this column. */
const block = (item: Members, column: number, eol: string): string =>
  Yaml.stringify([item], { indentSeq: false, lineWidth: 0, flowCollectionPadding: false, defaultStringType: "PLAIN" })
    .trimEnd().split("\n").map((line) => `${" ".repeat(column)}${line}`).join(eol)

const columnOf = (text: string, offset: number): number => offset - (text.lastIndexOf("\n", offset - 1) + 1)

const splice = (text: string, from: number, to: number, by: string): string => text.slice(0, from) + by + text.slice(to)

/** Where what a node says ends: comments behind it are not its own. */
const rangeOf = (node: unknown): readonly [start: number, end: number] | undefined => {
  const range = Yaml.isNode(node) ? node.range : undefined
  return range === null || range === undefined ? undefined : [range[0], range[1]]
}

const EMPTY = "apiVersion: v1\nkind: Config\n"

const UNSAFE: Fault = "is written in a way in which this user cannot be put there safely"

const pairOf = (map: Yaml.YAMLMap, key: string): Yaml.Pair | undefined =>
  map.items.find((pair) => Yaml.isScalar(pair.key) && pair.key.value === key)

/** Puts an item at the end of a list of the root, or in the place of the one of that name. */
const putUser = (text: string, document: Yaml.Document.Parsed, wanted: Wanted, eol: string): string | undefined => {
  const root = document.contents
  if (root !== null && !Yaml.isMap(root)) return undefined
  const item = userOf(wanted)
  const pair = root === null ? undefined : pairOf(root, "users")
  if (pair === undefined) {
    if (root?.flow === true) {
      const [, end] = rangeOf(root)!
      return splice(text, end - 1, end - 1, `${root.items.length > 0 ? "," : ""}"users":[${JSON.stringify(item)}]`)
    }
    const start = text === "" || text.endsWith("\n") ? text : `${text}${eol}`
    return `${start}users:${eol}${block(item, 0, eol)}${eol}`
  }
  const list = pair.value
  if (!Yaml.isSeq(list)) {
    // `users:` and `users: null`.
    const range = rangeOf(list)
    const isNull = Yaml.isScalar(list) && list.value === null
    return isNull && range !== undefined
      ? splice(text, range[0], range[1], `${text.slice(0, range[0]).endsWith(":") ? " " : ""}[${JSON.stringify(item)}]`)
      : undefined
  }
  const present = list.items.find((one) => Yaml.isMap(one) && one.get("name") === wanted.name)
  const range = rangeOf(present)
  if (list.flow === true) {
    if (range !== undefined) return splice(text, range[0], range[1], JSON.stringify(item))
    const [, end] = rangeOf(list)!
    return splice(text, end - 1, end - 1, `${list.items.length > 0 ? "," : ""}${JSON.stringify(item)}`)
  }
  // The map of an item begins behind the dash, in whose column the others stand.
  const [first] = rangeOf(list.items[0]) ?? []
  if (first === undefined) return undefined
  const dash = text.lastIndexOf("-", first)
  const column = columnOf(text, dash)
  if (range !== undefined) {
    const own = text.lastIndexOf("-", range[0])
    return splice(text, own, trimmed(text, range[1]), block(item, column, eol).trimStart())
  }
  const end = trimmed(text, rangeOf(list.items[list.items.length - 1])![1])
  return splice(text, end, end, `${eol}${block(item, column, eol)}`)
}

/** The end of the last line that says something. */
const trimmed = (text: string, end: number): number => text.slice(0, end).trimEnd().length

const putContext = (text: string, context: string, user: string): Either.Either<string | undefined, Fault> =>
  Either.map(parse(text), (document) => {
    const list = document.get("contexts")
    const found = Yaml.isSeq(list)
      ? list.items.find((one) => Yaml.isMap(one) && one.get("name") === context)
      : undefined
    const inner = Yaml.isMap(found) ? found.get("context") : undefined
    const range = Yaml.isMap(inner) ? rangeOf(inner.get("user", true)) : undefined
    return range === undefined ? undefined : splice(text, range[0], range[1], Yaml.stringify(user).trim())
  })

const replaced = (list: unknown, item: Members): ReadonlyArray<unknown> => {
  const items = Array.isArray(list) ? list : []
  return items.some((one) => isMembers(one) && one["name"] === item["name"])
    ? items.map((one) => isMembers(one) && one["name"] === item["name"] ? item : one)
    : [...items, item]
}

/** Whether what is there says what is wanted, and perhaps more. */
const says = (present: unknown, exec: Wanted["exec"]): boolean =>
  isMembers(present) && Object.entries(exec).every(([name, value]) => isDeepStrictEqual(present[name], value))

/**
 * Whether a text is the one to change: it has the context, or the user where none is named.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isIn = (text: string, { context, name }: Wanted): boolean =>
  Either.match(Either.flatMap(parse(text), toJs), {
    onLeft: () => false,
    onRight: (root) =>
      Option.match(context, {
        onNone: () => named(root["users"], name) !== undefined,
        onSome: (one) => named(root["contexts"], one) !== undefined
      })
  })

/**
 * Puts the user, and the context's user, into a text. `isOurs` tells an `exec` that an earlier run of this command wrote.
 *
 * @since 0.1.0
 * @category combinators
 */
export const edit = (
  present: Option.Option<string>,
  wanted: Wanted,
  isOurs: (exec: unknown) => boolean
): Either.Either<Edit, Fault> =>
  Either.gen(function*() {
    const source = Option.getOrElse(Option.filter(present, (text) => text.trim() !== ""), () => EMPTY)
    const eol = source.includes("\r\n") ? "\r\n" : "\n"
    const document = yield* parse(source)
    const before = yield* toJs(document)
    const user = named(before["users"], wanted.name)
    const exec = isMembers(user?.["user"]) ? user["user"]["exec"] : undefined
    const isThere = says(exec, wanted.exec)
    const context = Option.map(wanted.context, (name) => named(before["contexts"], name))
    const inner = Option.map(context, (one) => isMembers(one?.["context"]) ? one["context"] : undefined)
    if (Option.isSome(inner) && inner.value === undefined) {
      return yield* Either.left(`has no context ${Option.getOrElse(wanted.context, () => "")}`)
    }
    const owner = Option.flatMapNullable(inner, (one) => one?.["user"])
    const isChosen = Option.isNone(wanted.context) || Option.contains(owner, wanted.name)
    if (isThere && isChosen) return { state: "same", text: source }

    const withUser = isThere ? source : putUser(source, document, wanted, eol)
    if (withUser === undefined) return yield* Either.left(UNSAFE)
    const text = isChosen ? withUser : yield* putContext(withUser, Option.getOrThrow(wanted.context), wanted.name)
    if (text === undefined) return yield* Either.left("has a context without a user: name one with kubectl first")

    const after: Members = {
      ...before,
      ...(isThere ? {} : { users: replaced(before["users"], userOf(wanted)) }),
      ...(isChosen ? {} : {
        contexts: replaced(before["contexts"], {
          ...Option.getOrThrow(context),
          context: { ...Option.getOrThrow(inner), user: wanted.name }
        })
      })
    }
    const result = yield* Either.flatMap(parse(text), toJs)
    if (!isDeepStrictEqual(result, after)) return yield* Either.left(UNSAFE)
    const others = user === undefined || isThere ? [] : [isOurs(exec)]
    return { state: others.length === 0 ? "absent" : others.every(Boolean) ? "outdated" : "other", text }
  })

/**
 * Shows the user as it is written.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (wanted: Wanted): string => `users:\n${block(userOf(wanted), 0, "\n")}\n`
