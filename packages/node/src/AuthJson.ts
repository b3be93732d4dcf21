/**
 * The text of the native `auth.json`: which records it holds, what makes it damaged, and how one record changes while
 * every other byte stays (I11).
 *
 * Nothing that the file contains is ever quoted: damage is named by member path, line and column.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { rewrite } from "./internal/authText.js"
import * as Frame from "./internal/frame.js"
import * as JsonRecord from "./JsonRecord.js"
import * as JsonSplice from "./JsonSplice.js"
import * as JsonTree from "./JsonTree.js"
import type { Damage, StoreCodec } from "./StoreCodec.js"

/**
 * A file of which at least the frame is sound. Its records may still be damaged one by one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Document {
  readonly text: string
  readonly root: JsonTree.JsonObject
  /** Every entry by its normalised name, in the order of the file; more than one is a duplicate. */
  readonly entries: ReadonlyMap<string, ReadonlyArray<JsonTree.Member>>
  /** Where the records went when the store was moved. */
  readonly movedTo: Option.Option<string>
}

const FRAME = { known: new Set(["version", "tenants", "pending", "moved_to"]), lists: ["tenants"] }

const CREDENTIAL_MEMBERS = JsonRecord.membersOf(Credential.Credential)
const ACCOUNT_MEMBERS = JsonRecord.membersOf(Credential.Account)
const TOKEN_MEMBERS = ["access_token", "refresh_token", "id_token"] as const

const decodeCredential = Schema.decodeUnknownEither(Credential.Credential)
const encodeCredential = Schema.encodeSync(Credential.Credential)

/**
 * Parses a file and checks its frame: JSON, version 1, `tenants` an object.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Either.Either<Document, Damage> => Frame.parse(text, FRAME)

/**
 * The document of a file that does not exist yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const empty: Document = Either.getOrThrow(parse(Frame.EMPTY))

const isOurs = ({ value }: JsonTree.Member): boolean =>
  value.kind === "object" &&
  value.members.some(({ name }) => name === "access_token" || name === "refresh_token")

const decodeEntry = (text: string, member: JsonTree.Member): Either.Either<Credential.Credential, Damage> => {
  const path = ["tenants", member.name]
  const entry = member.value as JsonTree.JsonObject
  const account = JsonRecord.member(entry, "account")?.value
  const twice = JsonRecord.duplicate(entry, (name) => CREDENTIAL_MEMBERS.has(name))
  if (Option.isSome(twice)) return Either.left(Frame.damage([...path, twice.value], "there twice"))
  if (account?.kind === "object") {
    const twice = JsonRecord.duplicate(account, (name) => ACCOUNT_MEMBERS.has(name))
    if (Option.isSome(twice)) return Either.left(Frame.damage([...path, "account", twice.value], "there twice"))
  }
  const sound = Credential.fromRecord(JSON.parse(text.slice(entry.start, entry.end)))
  if (Option.isSome(sound)) return Either.right(sound.value)
  // Something is unusual in it, and is named by its place where it is damage.
  const record = JsonRecord.scalars(text, entry, CREDENTIAL_MEMBERS)
  if (account?.kind === "object") record["account"] = JsonRecord.scalars(text, account, ACCOUNT_MEMBERS)
  const endless = JsonRecord.outOfRange(record)
  if (Option.isSome(endless)) return Either.left(Frame.damage([...path, endless.value], "out of range"))
  for (const name of TOKEN_MEMBERS) {
    if (record[name] === "") return Either.left(Frame.damage([...path, name], "empty"))
  }
  return Either.mapLeft(decodeCredential(record), (error) => {
    // Only the path is taken over: the message quotes the value.
    const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
    return Frame.damage([...path, ...issue?.path ?? []], "not of the expected type or range")
  })
}

/**
 * Reads one record. Absent and foreign entries are `None`; a damaged sibling does not matter.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (
  document: Document,
  tenant: TenantId.TenantId
): Either.Either<Option.Option<Credential.Credential>, Damage> => {
  const members = document.entries.get(tenant)
  if (members === undefined || !members.some(isOurs)) return Either.right(Option.none())
  if (members.length > 1) return Either.left(Frame.damage(["tenants", tenant], "there twice"))
  return Either.map(decodeEntry(document.text, members[0]!), Option.some)
}

/**
 * The text of a tenant's entries, with a duplicate and what is foreign.
 *
 * @since 0.1.0
 * @category getters
 */
export const sourceOf = (document: Document, tenant: TenantId.TenantId): string =>
  (document.entries.get(tenant) ?? []).map(({ value }) => document.text.slice(value.start, value.end)).join(",")

/**
 * Names the tenants that have a record, sound or damaged.
 *
 * @since 0.1.0
 * @category getters
 */
export const list = (document: Document): ReadonlyArray<TenantId.TenantId> =>
  [...document.entries].flatMap(([name, members]) =>
    members.some(isOurs) ? Option.toArray(Either.getRight(TenantId.fromString(name))) : []
  )

/**
 * Finds what is damaged, anywhere: Lockstep does not write a file with one damaged record.
 *
 * @since 0.1.0
 * @category getters
 */
export const findDamage = (document: Document): Option.Option<Damage> => {
  for (const [name, members] of document.entries) {
    if (!members.some(isOurs)) continue
    if (members.length > 1) return Option.some(Frame.damage(["tenants", name], "there twice"))
    const decoded = decodeEntry(document.text, members[0]!)
    if (Either.isLeft(decoded)) return Option.some(decoded.left)
  }
  const pending = JsonRecord.member(document.root, "pending")?.value
  return pending === undefined || pending.kind === "object"
    ? Option.none()
    : Option.some(Frame.damage(["pending"], "not an object"))
}

const isSame = (text: string, node: JsonTree.JsonNode, value: unknown): boolean =>
  node.kind !== "object" && node.kind !== "array" && JsonTree.scalar(text, node) === value

/**
 * Splices the known members of an object to the given values. A member without a new value goes, one that was null
 * stays null.
 */
const spliceObject = (
  text: string,
  object: JsonTree.JsonObject,
  known: ReadonlySet<PropertyKey>,
  values: Readonly<Record<string, unknown>>,
  layout: JsonSplice.Layout,
  depth: number
): string =>
  JsonSplice.edit(text, object, {
    layout,
    depth,
    change: ({ name, value: node }) => {
      if (!known.has(name)) return JsonSplice.Change.Keep()
      const value = values[name]
      if (value === undefined) return node.kind === "null" ? JsonSplice.Change.Keep() : JsonSplice.Change.Remove()
      if (isSame(text, node, value)) return JsonSplice.Change.Keep()
      return JsonSplice.Change.Replace({
        text: name === "account" && node.kind === "object"
          ? spliceObject(text, node, ACCOUNT_MEMBERS, value as Record<string, unknown>, layout, depth + 1)
          : JSON.stringify(value)
      })
    },
    add: Object.entries(values).filter(([name]) => JsonRecord.member(object, name) === undefined)
  })

/**
 * Writes one record into the text. Only its members that differ change.
 *
 * Fails where the name belongs to a foreign entry, and where the record would damage the file.
 *
 * @since 0.1.0
 * @category combinators
 */
export const put = (
  document: Document,
  tenant: TenantId.TenantId,
  credential: Credential.Credential,
  now: number
): Either.Either<string, Damage> => {
  const encoded: Readonly<Record<string, unknown>> = encodeCredential(credential)
  // An entry with neither member would count as foreign.
  const values: Readonly<Record<string, unknown>> =
    encoded["access_token"] === undefined && encoded["refresh_token"] === undefined
      ? { ...encoded, access_token: null }
      : encoded
  const unsound = TOKEN_MEMBERS.find((name) => values[name] === "") ??
    Option.getOrUndefined(JsonRecord.outOfRange(values))
  if (unsound !== undefined) return Either.left(Frame.damage(["tenants", tenant, unsound], "not writable"))
  const present = document.entries.get(tenant)?.[0]
  if (present !== undefined && !isOurs(present)) {
    return Either.left(Frame.damage(["tenants", tenant], "an entry of another program"))
  }
  return Either.right(rewrite(document.text, document.root, now, {
    tenants: (layout) => ({
      change: (member) =>
        member !== present
          ? JsonSplice.Change.Keep()
          : JsonSplice.Change.Replace({
            text: spliceObject(
              document.text,
              member.value as JsonTree.JsonObject,
              CREDENTIAL_MEMBERS,
              values,
              layout,
              3
            )
          }),
      add: present === undefined ? [[tenant, values]] : []
    })
  }))
}

/**
 * Takes one record out of the text. A foreign entry of that name stays.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = (document: Document, tenant: TenantId.TenantId, now: number): string =>
  rewrite(document.text, document.root, now, {
    tenants: () => ({
      change: (member) =>
        member.name.normalize("NFC") === tenant && isOurs(member)
          ? JsonSplice.Change.Remove()
          : JsonSplice.Change.Keep(),
      add: []
    })
  })

/**
 * The form of `auth.json`.
 *
 * @since 0.1.0
 * @category codecs
 */
export const codec: StoreCodec<Document> = {
  parse,
  empty,
  text: (document) => document.text,
  movedTo: (document) => document.movedTo,
  findDamage,
  get,
  sourceOf,
  list,
  put,
  remove
}
