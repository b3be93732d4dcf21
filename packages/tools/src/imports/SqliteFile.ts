/**
 * Databases of other tools, read where Node has `node:sqlite` (22.13 and later). Elsewhere it can still be told whether one
 * holds a text, so that an older file is not taken for the tool's present one.
 *
 * @since 0.1.0
 */
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Fs from "node:fs"

interface Statement {
  readonly all: () => ReadonlyArray<Readonly<Record<string, unknown>>>
}

interface Database {
  readonly prepare: (sql: string) => Statement
  readonly close: () => void
}

interface Sqlite {
  readonly DatabaseSync: new(path: string, options: { readonly readOnly: boolean }) => Database
}

/** Asked at run time: on the oldest supported line of Node there is no such module, and no import may fail there. */
const sqlite = (): Sqlite | undefined => {
  const load = (process as { getBuiltinModule?: (name: string) => unknown }).getBuiltinModule
  try {
    return load?.("node:sqlite") as Sqlite | undefined
  } catch {
    return undefined
  }
}

/**
 * Whether this Node can read databases.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isReadable = (): boolean => sqlite() !== undefined

/**
 * Asks a database, which is opened for reading alone. Fails without a word of its content.
 *
 * @since 0.1.0
 * @category getters
 */
export const query = (
  path: string,
  sql: string
): Either.Either<ReadonlyArray<Readonly<Record<string, unknown>>>, Damage> => {
  const loaded = sqlite()
  if (loaded === undefined) return Either.left("this version of Node cannot read databases")
  return Either.try({
    try: () => {
      const database = new loaded.DatabaseSync(path, { readOnly: true })
      try {
        return database.prepare(sql).all()
      } finally {
        database.close()
      }
    },
    // The words of SQLite may quote what is in there.
    catch: () => "not a database of the expected form"
  })
}

/** Bytes that are looked at, of a database and of what is not yet in it. */
const LIMIT = 256 * 1024 * 1024
const PIECE = 4 * 1024 * 1024

const holdsIn = (path: string, text: Buffer): boolean => {
  const fd = Fs.openSync(path, "r")
  try {
    const piece = Buffer.alloc(PIECE + text.length)
    for (let at = 0; at < LIMIT; at += PIECE) {
      const length = Fs.readSync(fd, piece, 0, piece.length, at)
      if (piece.subarray(0, length).includes(text)) return true
      if (length < piece.length) return false
    }
    return true
  } finally {
    Fs.closeSync(fd)
  }
}

/**
 * Whether a text stands anywhere in a database, be it in use or not. One that is not there, or cannot be read, holds none.
 *
 * @since 0.1.0
 * @category predicates
 */
export const holds = (path: string, text: string): boolean =>
  [path, `${path}-wal`].some((file) => {
    try {
      return holdsIn(file, Buffer.from(text))
    } catch {
      return false
    }
  })
