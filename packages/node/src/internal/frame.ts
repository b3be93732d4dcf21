/**
 * The frame that `auth.json` and the keyring's index have in common: version 1, lists of entries by name, and where the
 * records went when the store was moved.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as JsonRecord from "../JsonRecord.js"
import * as JsonSplice from "../JsonSplice.js"
import * as JsonTree from "../JsonTree.js"
import type { Damage } from "../StoreCodec.js"

/** A file of which at least the frame is sound. */
export interface Frame {
  readonly text: string
  readonly root: JsonTree.JsonObject
  /** Every tenant's entry by its normalised name, in the order of the file; more than one is a duplicate. */
  readonly entries: ReadonlyMap<string, ReadonlyArray<JsonTree.Member>>
  readonly movedTo: Option.Option<string>
}

/** The text of a file that does not exist yet. */
export const EMPTY = "{\n  \"version\": 1,\n  \"tenants\": {}\n}\n"

const BYTE_ORDER_MARK = "\uFEFF"

/** Names what is wrong by its place. */
export const damage = (path: ReadonlyArray<PropertyKey>, what: string): Damage => `${JsonRecord.pathOf(path)}: ${what}`

/** The members of a list; none where it is missing. */
export const listOf = (root: JsonTree.JsonObject, name: string): ReadonlyArray<JsonTree.Member> => {
  const list = JsonRecord.member(root, name)?.value
  return list?.kind === "object" ? list.members : []
}

const indexed = (members: ReadonlyArray<JsonTree.Member>): Frame["entries"] => {
  // A Map, because a tenant may be called `__proto__`.
  const entries = new Map<string, Array<JsonTree.Member>>()
  for (const member of members) {
    const name = member.name.normalize("NFC")
    const same = entries.get(name)
    if (same === undefined) entries.set(name, [member])
    else same.push(member)
  }
  return entries
}

/** Parses a text and checks its frame. `lists` are objects or absent; no `known` member is there twice. */
export const parse = (text: string, { known, lists }: {
  readonly known: ReadonlySet<string>
  readonly lists: ReadonlyArray<string>
}): Either.Either<Frame, Damage> => {
  const body = text.startsWith(BYTE_ORDER_MARK) ? ` ${text.slice(1)}` : text
  const tree = JsonTree.parse(body)
  if (Either.isLeft(tree)) return Either.left(`${JsonTree.position(body, tree.left)}: not JSON`)
  const root = tree.right
  if (root.kind !== "object") return Either.left(`${JsonTree.position(body, root.start)}: not an object`)
  const twice = JsonRecord.duplicate(root, (name) => known.has(name))
  if (Option.isSome(twice)) return Either.left(damage([twice.value], "there twice"))
  const version = JsonRecord.member(root, "version")
  if (version === undefined) return Either.left(damage(["version"], "missing"))
  if (JsonTree.scalar(body, version.value) !== 1) return Either.left(damage(["version"], "not 1"))
  for (const name of lists) {
    const list = JsonRecord.member(root, name)?.value
    if (list !== undefined && list.kind !== "object") return Either.left(damage([name], "not an object"))
  }
  const moved = JsonRecord.member(root, "moved_to")?.value
  if (moved !== undefined && moved.kind !== "string" && moved.kind !== "null") {
    return Either.left(damage(["moved_to"], "not a text"))
  }
  return Either.right({
    text,
    root,
    entries: indexed(listOf(root, "tenants")),
    movedTo: Option.fromNullable(moved && JsonTree.scalar(body, moved) as string | null)
  })
}

/** Notes where the records of a file went, or that they are back. Every other byte stays. */
export const noteMove = ({ root, text }: Pick<Frame, "root" | "text">, to: Option.Option<string>): string =>
  JsonSplice.replace(
    text,
    root,
    JsonSplice.edit(text, root, {
      layout: JsonSplice.layout(text, root),
      depth: 1,
      change: ({ name }) =>
        name !== "moved_to"
          ? JsonSplice.Change.Keep()
          : Option.match(to, {
            onNone: () => JsonSplice.Change.Remove(),
            onSome: (kind) => JsonSplice.Change.Replace({ text: JSON.stringify(kind) })
          }),
      add: JsonRecord.member(root, "moved_to") === undefined
        ? Option.toArray(Option.map(to, (kind) => ["moved_to", kind] as const))
        : []
    })
  )
