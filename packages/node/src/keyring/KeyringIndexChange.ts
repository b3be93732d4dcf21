/**
 * The steps of a write as changes of the index of a keyring: begun, made to count, given up, removed.
 *
 * @since 0.1.0
 */
import type * as TenantId from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Frame from "../internal/frame.js"
import { type Edits, type ListEdits, rewrite as rewriteLists } from "../internal/keyringText.js"
import {
  Current,
  CURRENT_MEMBERS,
  type Document,
  get,
  hasEnded,
  type Note,
  NOTE_MEMBERS,
  notes
} from "./KeyringIndex.js"

const encodeCurrent = Schema.encodeSync(Current)

const EDITED = { tenants: CURRENT_MEMBERS, writing: NOTE_MEMBERS, stale: NOTE_MEMBERS }

const rewrite = ({ root, text }: Document, edits: ListEdits<keyof typeof EDITED>): string =>
  rewriteLists(text, root, EDITED, edits)

const noteText = ({ at, parts, settled, tenant }: Omit<Note, "writeId">) => ({
  tenant,
  parts,
  at,
  ...(settled ? { settled } : {})
})

const seconds = (now: number): number => Math.floor(now / 1_000)

const forgetting = (gone: ReadonlySet<string>): Edits => ({ drop: (name) => gone.has(name), put: [] })

/**
 * Notes that entries are about to be written, and forgets those stale ones that are gone. `now` is milliseconds since
 * the epoch.
 *
 * @since 0.1.0
 * @category combinators
 */
export const begin = (
  document: Document,
  write: { readonly tenant: TenantId.TenantId; readonly writeId: string; readonly parts: number },
  gone: ReadonlySet<string>,
  now: number
): string =>
  rewrite(document, {
    writing: { drop: () => false, put: [[write.writeId, noteText({ ...write, at: seconds(now), settled: false })]] },
    stale: forgetting(gone)
  })

/**
 * The notes that end with a change of a tenant: the tenant's other writes, which were decided on a record that does not
 * count any more, and those of any tenant that were abandoned long ago. All of them become stale. That a write is ended
 * here while its writer still lives is harmless: the writer finds out when it wants to make it count.
 */
const ended = (document: Document, tenant: TenantId.TenantId, now: number): ReadonlyArray<Note> =>
  notes(document, "writing").flatMap((note) =>
    Either.isRight(note) && (note.right.tenant === tenant || hasEnded(note.right, now))
      ? [note.right]
      : []
  )

const replaced = (document: Document, tenant: TenantId.TenantId, now: number): ReadonlyArray<Note> =>
  Option.match(Option.flatten(Either.getRight(get(document, tenant))), {
    onNone: () => [],
    onSome: ({ parts, writeId }) => [{ tenant, parts, writeId, at: seconds(now), settled: true }]
  })

const retire = (notes: ReadonlyArray<Note>, gone: ReadonlySet<string>): Edits => ({
  ...forgetting(gone),
  put: [...new Map(notes.map((note) => [note.writeId, noteText(note)]))]
})

/**
 * Makes a write count: it becomes the tenant's current record, and what counted before becomes stale.
 *
 * @since 0.1.0
 * @category combinators
 */
export const commit = (
  document: Document,
  tenant: TenantId.TenantId,
  current: Current,
  gone: ReadonlySet<string>,
  now: number
): string => {
  const over = ended(document, tenant, now)
  const names = new Set([current.writeId, ...over.map(({ writeId }) => writeId)])
  return rewrite(document, {
    tenants: { drop: () => false, put: [[tenant, { ...encodeCurrent(current) }]] },
    writing: forgetting(names),
    stale: retire(
      [...over.filter(({ writeId }) => writeId !== current.writeId), ...replaced(document, tenant, now)],
      gone
    )
  })
}

/**
 * Takes a tenant out; what counted becomes stale.
 *
 * @since 0.1.0
 * @category combinators
 */
export const remove = (
  document: Document,
  tenant: TenantId.TenantId,
  gone: ReadonlySet<string>,
  now: number
): string => {
  const over = ended(document, tenant, now)
  return rewrite(document, {
    tenants: { drop: (name) => name.normalize("NFC") === tenant, put: [] },
    writing: forgetting(new Set(over.map(({ writeId }) => writeId))),
    stale: retire([...over, ...replaced(document, tenant, now)], gone)
  })
}

/**
 * Gives a write up: what may have been written, or may still arrive, becomes stale.
 *
 * @since 0.1.0
 * @category combinators
 */
export const abandon = (document: Document, writeId: string, gone: ReadonlySet<string>): string => {
  const over = notes(document, "writing").flatMap((note) =>
    Either.isRight(note) && note.right.writeId === writeId ? [note.right] : []
  )
  return rewrite(document, { writing: forgetting(new Set([writeId])), stale: retire(over, gone) })
}

/**
 * Says where the records went, or that they are here again.
 *
 * @since 0.1.0
 * @category combinators
 */
export const setMovedTo = (document: Document, target: Option.Option<string>): string =>
  Frame.noteMove(document, target)
