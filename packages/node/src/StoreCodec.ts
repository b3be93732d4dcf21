/**
 * How the text of one kind of file holds credentials: pure functions, so that the same reader, writer, lock and watch
 * serve `auth.json` and other tools' files.
 *
 * Nothing that a file contains is ever quoted: damage is named by member path, line and column.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import type { TenantId } from "@lockstep/core/TenantId"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"

/**
 * Why a file must not be written, without a word of its content: `line 3, column 7: not JSON`.
 *
 * @since 0.1.0
 * @category models
 */
export type Damage = string

/**
 * One kind of file.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreCodec<Document> {
  /** Parses a text and checks its frame. Single records may still be damaged. */
  readonly parse: (text: string) => Either.Either<Document, Damage>

  /** Whether its tool writes the text in place, so that a reader may find half of it. */
  readonly isWrittenInPlace?: boolean

  /** The document of a file that does not exist. */
  readonly empty: Document

  /** The text that a document was parsed from. */
  readonly text: (document: Document) => string

  /** Where the records went when the store was moved. */
  readonly movedTo: (document: Document) => Option.Option<string>

  /** Finds what is damaged, anywhere: Lockstep does not write a file with one damaged record. */
  readonly findDamage: (document: Document) => Option.Option<Damage>

  /** Reads one record. Absent and foreign entries are `None`; a damaged sibling does not matter. */
  readonly get: (document: Document, tenant: TenantId) => Either.Either<Option.Option<Credential>, Damage>

  /**
   * The part of the text that one record is made of: while it is the same, so is the record. Where it is left out,
   * records are compared by what they say.
   */
  readonly sourceOf?: (document: Document, tenant: TenantId) => string

  /** Names the tenants that have a record, sound or damaged. */
  readonly list: (document: Document) => ReadonlyArray<TenantId>

  /**
   * Writes one record into the text; every other byte stays (I11). `now` is milliseconds since the epoch. Fails where the
   * file has no place for such a record.
   */
  readonly put: (
    document: Document,
    tenant: TenantId,
    credential: Credential,
    now: number
  ) => Either.Either<string, Damage>

  /** Takes one record out of the text; every other byte stays (I11). */
  readonly remove: (document: Document, tenant: TenantId, now: number) => string
}
