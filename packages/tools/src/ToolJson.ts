/**
 * The JSON of other tools' files: reading members as strictly as their owners do, and changing some of them while every
 * other byte stays (I11).
 *
 * Nothing that a file contains is ever quoted: damage is named by member path, line and column.
 *
 * @since 0.1.0
 */
import * as JsonRecord from "@lockstep/node/JsonRecord"
import * as JsonSplice from "@lockstep/node/JsonSplice"
import * as JsonTree from "@lockstep/node/JsonTree"
import type { Damage, StoreCodec } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ToolDocument } from "./ToolFile.js"

/**
 * The greatest number that Rust's `u64` holds. Some tools write it for *never*; as a JavaScript number it would come
 * back out of range.
 *
 * @since 0.1.0
 * @category constants
 */
export const U64_MAX = 18446744073709551615n

/**
 * Makes a codec of what tells one tool's file from another's. A file that is missing is an empty object.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec = (
  own:
    & Pick<StoreCodec<ToolDocument>, "findDamage" | "get" | "list" | "put" | "remove">
    & Partial<Pick<StoreCodec<ToolDocument>, "parse" | "isWrittenInPlace">>
): StoreCodec<ToolDocument> => ({
  parse,
  empty: Either.getOrThrow(parse("{}")),
  text: ({ text }) => text,
  movedTo: () => Option.none(),
  ...own
})

/**
 * The layout of a file that has no member yet, as `JSON.stringify(value, null, 2)` and its like make it.
 *
 * @since 0.1.0
 * @category constants
 */
export const PRETTY: JsonSplice.Layout = { eol: "\n", unit: "  " }

/**
 * The layout of a file that has no member yet and is one line.
 *
 * @since 0.1.0
 * @category constants
 */
export const COMPACT: JsonSplice.Layout = { eol: "\n", unit: undefined }

/**
 * What a member becomes. A `bigint` is written digit by digit; `Members` change an object that is there and make one
 * that is not.
 *
 * @since 0.1.0
 * @category models
 */
export type Value = string | number | bigint | boolean | null | ReadonlyArray<string> | Members

/**
 * Members by name. `undefined` removes a member, and leaves one that is null as it is. A `Map`, because a tenant may be
 * called `__proto__`.
 *
 * @since 0.1.0
 * @category models
 */
export type Members = ReadonlyMap<string, Value | undefined>

/**
 * Makes members of a record whose names are known.
 *
 * @since 0.1.0
 * @category constructors
 */
export const members = (record: Readonly<Record<string, Value | undefined>>): Members => new Map(Object.entries(record))

/**
 * What a member is expected to be. With a question mark it may be absent or null.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "text" | "text?" | "u64" | "u64?" | "texts?" | "flag?" | "object" | "object?"

/**
 * Says where damage is and what it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const damage = (path: ReadonlyArray<string>, what: string): Damage => `${JsonRecord.pathOf(path)}: ${what}`

/**
 * Parses a text whose root is an object. No byte order mark is accepted: the tools accept none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<ToolDocument, Damage> => {
  const tree = JsonTree.parse(text)
  if (Either.isLeft(tree)) return Either.left(`${JsonTree.position(text, tree.left)}: not JSON`)
  return tree.right.kind === "object"
    ? Either.right({ text, root: tree.right })
    : Either.left(`${JsonTree.position(text, tree.right.start)}: not an object`)
}

/**
 * Finds a member by its name, the last one where it is there twice, as most readers do.
 *
 * @since 0.1.0
 * @category getters
 */
export const member = (object: JsonTree.JsonObject, name: string): JsonTree.JsonNode | undefined =>
  object.members.findLast((one) => one.name === name)?.value

/**
 * Finds a member that is an object.
 *
 * @since 0.1.0
 * @category getters
 */
export const object = (parent: JsonTree.JsonObject, name: string): JsonTree.JsonObject | undefined => {
  const found = member(parent, name)
  return found?.kind === "object" ? found : undefined
}

/**
 * Reads a member that is a string.
 *
 * @since 0.1.0
 * @category getters
 */
export const text = (document: ToolDocument, parent: JsonTree.JsonObject, name: string): string | undefined => {
  const found = member(parent, name)
  return found?.kind === "string" ? JsonTree.scalar(document.text, found) as string : undefined
}

/**
 * Reads a member that is a string with something in it: other tools blank what they have lost.
 *
 * @since 0.1.0
 * @category getters
 */
export const filled = (
  document: ToolDocument,
  parent: JsonTree.JsonObject,
  name: string
): Option.Option<string> => Option.filter(Option.fromNullable(text(document, parent, name)), (value) => value !== "")

/**
 * Reads a member that is a finite number.
 *
 * @since 0.1.0
 * @category getters
 */
export const number = (document: ToolDocument, parent: JsonTree.JsonObject, name: string): number | undefined => {
  const found = member(parent, name)
  const value = found?.kind === "number" ? JsonTree.scalar(document.text, found) as number : undefined
  return value !== undefined && Number.isFinite(value) ? value : undefined
}

const asWhole = (digits: string): bigint | undefined => {
  const value = /^(?:0|[1-9][0-9]{0,19})$/.test(digits) ? BigInt(digits) : undefined
  return value === undefined || value > U64_MAX ? undefined : value
}

/**
 * Reads a member that Rust would read as a `u64`: 1.0 and 1e3 do not count.
 *
 * @since 0.1.0
 * @category getters
 */
export const whole = (document: ToolDocument, parent: JsonTree.JsonObject, name: string): bigint | undefined => {
  const found = member(parent, name)
  return found?.kind === "number" ? asWhole(document.text.slice(found.start, found.end)) : undefined
}

/**
 * Reads a member that is a list of strings.
 *
 * @since 0.1.0
 * @category getters
 */
export const texts = (
  document: ToolDocument,
  parent: JsonTree.JsonObject,
  name: string
): ReadonlyArray<string> | undefined => {
  const found = member(parent, name)
  const value: unknown = found?.kind === "array" ? JSON.parse(document.text.slice(found.start, found.end)) : undefined
  return Array.isArray(value) && value.every((one) => typeof one === "string") ? value : undefined
}

const isOf = (document: ToolDocument, parent: JsonTree.JsonObject, name: string, kind: Kind): boolean => {
  const found = member(parent, name)
  if (found === undefined || found.kind === "null") return kind.endsWith("?")
  switch (kind) {
    case "text":
    case "text?":
      return found.kind === "string"
    case "u64":
    case "u64?":
      return whole(document, parent, name) !== undefined
    case "texts?":
      return texts(document, parent, name) !== undefined
    case "flag?":
      return found.kind === "boolean"
    case "object":
    case "object?":
      return found.kind === "object"
  }
}

/**
 * Finds a member that is not of its kind, or is there twice. Members that the shape does not name are not looked at.
 *
 * @since 0.1.0
 * @category predicates
 */
export const mismatch = (
  document: ToolDocument,
  parent: JsonTree.JsonObject,
  shape: Readonly<Record<string, Kind>>
): Option.Option<string> =>
  Option.orElse(
    JsonRecord.duplicate(parent, (name) => Object.hasOwn(shape, name)),
    () => Option.fromNullable(Object.keys(shape).find((name) => !isOf(document, parent, name, shape[name]!)))
  )

const isMembers = (value: Value): value is Members => value instanceof Map

const isSame = (source: string, node: JsonTree.JsonNode, value: Value): boolean => {
  if (node.kind === "object" || isMembers(value)) return false
  const present = source.slice(node.start, node.end)
  if (typeof value === "bigint") return present === String(value)
  return node.kind === "array"
    ? JSON.stringify(JSON.parse(present)) === JSON.stringify(value)
    : JsonTree.scalar(source, node) === value
}

const NOTHING: JsonTree.JsonObject = { kind: "object", start: 0, end: 2, members: [] }

const render = (value: Value, layout: JsonSplice.Layout, depth: number): string => {
  if (typeof value === "bigint") return String(value)
  if (isMembers(value)) return fill("{}", NOTHING, value, layout, depth + 1)
  return layout.unit === undefined
    ? JSON.stringify(value)
    : JSON.stringify(value, null, layout.unit).replaceAll("\n", `${layout.eol}${layout.unit.repeat(depth)}`)
}

/** `depth` is the indentation of the object's members in steps. */
const fill = (
  source: string,
  parent: JsonTree.JsonObject,
  changes: Members,
  layout: JsonSplice.Layout,
  depth: number
): string => {
  const added = [...changes].flatMap(([name, value]) =>
    value === undefined || member(parent, name) !== undefined ? [] : [[name, value] as const]
  )
  // What `JSON.stringify` cannot write is put in place of a null, in a second round.
  const later = added.filter(([, value]) => typeof value === "bigint" || isMembers(value))
  const once = JsonSplice.edit(source, parent, {
    layout,
    depth,
    change: ({ name, value: node }) => {
      if (!changes.has(name)) return JsonSplice.Change.Keep()
      const value = changes.get(name)
      if (value === undefined) return node.kind === "null" ? JsonSplice.Change.Keep() : JsonSplice.Change.Remove()
      if (isSame(source, node, value)) return JsonSplice.Change.Keep()
      return JsonSplice.Change.Replace({
        text: node.kind === "object" && isMembers(value)
          ? fill(source, node, value, layout, depth + 1)
          : render(value, layout, depth)
      })
    },
    add: added.map(([name, value]) => [name, typeof value === "bigint" || isMembers(value) ? null : value])
  })
  if (later.length === 0) return once
  return fill(once, Either.getOrThrow(parse(once)).root, new Map(later), layout, depth)
}

/**
 * Changes members of the root, and through `Members` those of the objects in it, and answers the new text. `fallback` is
 * the layout of a file that has no member yet.
 *
 * @since 0.1.0
 * @category combinators
 */
export const update = (document: ToolDocument, changes: Members, fallback: JsonSplice.Layout): string => {
  const { root, text: source } = document
  const layout = root.members.length === 0 ? fallback : JsonSplice.layout(source, root)
  return JsonSplice.replace(source, root, fill(source, root, changes, layout, 1))
}
