/**
 * The text of `auth.json.keyring`: which entry of the keyring is a tenant's current one. It holds no secret.
 *
 * A keyring has no lock, no compare-and-swap and no event, and its writes may arrive late. So an entry is never changed:
 * each write goes under a name of its own, and this file, which has all three, says which of them counts. What the file
 * names as `writing` may be in the keyring and counts for nothing yet; what it names as `stale` counts for nothing any
 * more and is to be removed. Every entry that the keyring holds of this home is named here before it is written, and
 * until it is gone, so that a process that is killed in between leaves nothing for ever.
 *
 * ```json
 * {
 *   "version": 1,
 *   "tenants": { "codex": { "generation": 7, "write_id": "…", "parts": 1, "bytes": 812, "sha256": "…" } },
 *   "writing": { "…": { "tenant": "codex", "parts": 1, "at": 1790000000 } },
 *   "stale": { "…": { "tenant": "codex", "parts": 1, "at": 1790000000, "settled": true } }
 * }
 * ```
 *
 * @since 0.1.0
 */
import * as TenantId from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Frame from "../internal/frame.js"
import * as JsonRecord from "../JsonRecord.js"
import type * as JsonTree from "../JsonTree.js"
import type { Format } from "../SharedFile.js"
import type { Damage } from "../StoreCodec.js"

const WRITE_ID = /^[0-9a-f]{16}$/
const SHA256 = /^[0-9a-f]{64}$/

/**
 * The name of one write. Never used twice.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WriteId = Schema.String.pipe(Schema.pattern(WRITE_ID))

/**
 * Into so many entries a record may be split.
 *
 * @since 0.1.0
 * @category constants
 */
export const MAX_PARTS = 64

const Parts = Schema.Int.pipe(Schema.between(1, MAX_PARTS))

/**
 * The current record of a tenant: where it is, and what tells it from any other.
 *
 * @since 0.1.0
 * @category models
 */
export class Current extends Schema.Class<Current>("@lockstep/node/KeyringIndex/Current")({
  generation: Schema.NonNegativeInt,
  writeId: Schema.propertySignature(WriteId).pipe(Schema.fromKey("write_id")),
  parts: Parts,
  /** Of the whole record. */
  bytes: Schema.NonNegativeInt,
  /** Of the whole record, in hex. */
  sha256: Schema.String.pipe(Schema.pattern(SHA256))
}) {}

const NoteMembers = Schema.Struct({
  tenant: Schema.String,
  parts: Parts,
  /** Seconds since the epoch at which it was noted. */
  at: Schema.Number,
  /** Whether it was written for certain. What was not may still arrive, long after its writer gave up on it. */
  settled: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/**
 * Entries that count for nothing: not yet, or no more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Note extends Schema.Schema.Type<typeof NoteMembers> {
  readonly writeId: string
}

/**
 * A file of which at least the frame is sound.
 *
 * @since 0.1.0
 * @category models
 */
export interface Document {
  readonly text: string
  readonly root: JsonTree.JsonObject
  /** Every entry by its normalised name; more than one is a duplicate. */
  readonly entries: ReadonlyMap<string, ReadonlyArray<JsonTree.Member>>
  readonly movedTo: Option.Option<string>
}

const LISTS = ["tenants", "writing", "stale"] as const

const FRAME = { known: new Set<string>(["version", "moved_to", ...LISTS]), lists: LISTS }

/** Seconds after which no process is still at a write: every one of its steps has a bound. */
const ABANDONED = 900

/**
 * The members of a current record that are known.
 *
 * @since 0.1.0
 * @category constants
 */
export const CURRENT_MEMBERS = JsonRecord.membersOf(Current)

/**
 * The members of a note that are known.
 *
 * @since 0.1.0
 * @category constants
 */
export const NOTE_MEMBERS = JsonRecord.membersOf(NoteMembers)

const decodeUnusual = Schema.decodeUnknownEither(Current)

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isText = (value: unknown, form: RegExp): value is string => typeof value === "string" && form.test(value)

/** As the schema decodes it, by a look at the members: each process that waits for a refresh does so at each of its writes. */
const decodeCurrent = (record: Readonly<Record<string, unknown>>): Either.Either<Current, ParseResult.ParseError> => {
  const { bytes, generation, parts, sha256, write_id: writeId } = record
  return isCount(generation) && isCount(bytes) && isCount(parts) && parts >= 1 && parts <= MAX_PARTS &&
      isText(writeId, WRITE_ID) && isText(sha256, SHA256)
    ? Either.right(new Current({ generation, writeId, parts, bytes, sha256 }, true))
    : decodeUnusual(record)
}
const decodeNote = Schema.decodeUnknownEither(NoteMembers)
const isWriteId = (name: string): boolean => WRITE_ID.test(name)

const { damage, listOf } = Frame

const parse = (text: string): Either.Either<Document, Damage> => Frame.parse(text, FRAME)

const empty: Document = Either.getOrThrow(parse(Frame.EMPTY))

/** Decodes one entry of a list by its known members. */
const decodeMember = <A>(
  text: string,
  path: ReadonlyArray<PropertyKey>,
  { value }: JsonTree.Member,
  known: ReadonlySet<PropertyKey>,
  decode: (record: Readonly<Record<string, unknown>>) => Either.Either<A, ParseResult.ParseError>
): Either.Either<A, Damage> => {
  if (value.kind !== "object") return Either.left(damage(path, "not an object"))
  const twice = JsonRecord.duplicate(value, (name) => known.has(name))
  if (Option.isSome(twice)) return Either.left(damage([...path, twice.value], "there twice"))
  const record = JsonRecord.scalars(text, value, known)
  const endless = JsonRecord.outOfRange(record)
  if (Option.isSome(endless)) return Either.left(damage([...path, endless.value], "out of range"))
  return Either.mapLeft(decode(record), (error) => {
    // Only the path is taken over: the message quotes the value.
    const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
    return damage([...path, ...issue?.path ?? []], "not of the expected type or range")
  })
}

const currentOf = ({ text }: Document, member: JsonTree.Member) =>
  decodeMember(text, ["tenants", member.name], member, CURRENT_MEMBERS, decodeCurrent)

/**
 * Decodes the notes of a list.
 *
 * @since 0.1.0
 * @category getters
 */
export const notes = (
  { root, text }: Document,
  list: "writing" | "stale"
): ReadonlyArray<Either.Either<Note, Damage>> =>
  listOf(root, list).map((member) =>
    isWriteId(member.name)
      ? Either.map(
        decodeMember(text, [list, member.name], member, NOTE_MEMBERS, decodeNote),
        (note) => ({ ...note, writeId: member.name })
      )
      : Either.left(damage([list, member.name], "not the name of a write"))
  )

/**
 * Reads what counts of a tenant; a damaged sibling does not matter.
 *
 * @since 0.1.0
 * @category getters
 */
export const get = (
  document: Document,
  tenant: TenantId.TenantId
): Either.Either<Option.Option<Current>, Damage> => {
  const members = document.entries.get(tenant)
  if (members === undefined) return Either.right(Option.none())
  if (members.length > 1) return Either.left(damage(["tenants", tenant], "there twice"))
  return Either.map(currentOf(document, members[0]!), Option.some)
}

/**
 * Names the tenants that have a record.
 *
 * @since 0.1.0
 * @category getters
 */
export const list = (document: Document): ReadonlyArray<TenantId.TenantId> =>
  [...document.entries.keys()].flatMap((name) => Option.toArray(Either.getRight(TenantId.fromString(name))))

/**
 * Names what may be in the keyring and is to be removed from it.
 *
 * @since 0.1.0
 * @category getters
 */
export const stale = (document: Document): ReadonlyArray<Note> =>
  notes(document, "stale").flatMap((note) => Option.toArray(Either.getRight(note)))

/**
 * Whether what was noted cannot arrive any more. `now` is milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasEnded = ({ at, settled }: Note, now: number): boolean =>
  settled || Math.abs(now / 1_000 - at) > ABANDONED

/**
 * Whether a write is still noted as under way. A later write of another process ends it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isWriting = (document: Document, writeId: string): boolean =>
  listOf(document.root, "writing").some(({ name }) => name === writeId)

const findDamage = (document: Document): Option.Option<Damage> => {
  for (const [name, members] of document.entries) {
    if (members.length > 1) return Option.some(damage(["tenants", name], "there twice"))
    const current = currentOf(document, members[0]!)
    if (Either.isLeft(current)) return Option.some(current.left)
  }
  for (const list of ["writing", "stale"] as const) {
    const twice = JsonRecord.duplicate({ ...document.root, members: listOf(document.root, list) }, () => true)
    if (Option.isSome(twice)) return Option.some(damage([list, twice.value], "there twice"))
    for (const note of notes(document, list)) {
      if (Either.isLeft(note)) return Option.some(note.left)
    }
  }
  return Option.none()
}

/**
 * The form of `auth.json.keyring`.
 *
 * @since 0.1.0
 * @category codecs
 */
export const format: Format<Document> = {
  parse,
  empty,
  movedTo: ({ movedTo }) => movedTo,
  findDamage
}
