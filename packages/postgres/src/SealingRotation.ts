/**
 * Sealing every row anew with the current key, while the fleet goes on.
 *
 * A row is replaced only if it is still the one that was read, and its version stays: no reader is woken, and a write of
 * another process comes first. An old key stays with its keeper until no row names it.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as SealedEnvelope from "@lockstep/node/secrets/SealedEnvelope"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Effect from "effect/Effect"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

/**
 * What a rotation did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rotation {
  readonly location: string
  /** The id of the key that rows are sealed with now. */
  readonly key: string
  /** How many rows were sealed anew. */
  readonly sealed: number
  /** Ids of keys that some row still names: another process wrote it meanwhile. */
  readonly left: ReadonlyArray<string>
}

interface Kind {
  readonly table: string
  readonly name: string
  readonly select: string
  readonly purpose: "credential" | "pending" | "client"
}

const KINDS: ReadonlyArray<Kind> = [
  {
    table: "credential",
    purpose: "credential",
    name: "tenant_id",
    select: `select c.tenant_id::text as key, t.namespace, t.name, c.sealed from lockstep.credential c
      join lockstep.tenant t on t.id = c.tenant_id`
  },
  {
    table: "pending",
    purpose: "pending",
    name: "name",
    select: "select name as key, namespace, name, sealed from lockstep.pending c"
  },
  {
    table: "client",
    purpose: "client",
    name: "issuer",
    select: "select issuer as key, namespace, issuer as name, sealed from lockstep.client c"
  }
]

const BATCH = 100

/**
 * Seals all rows of all namespaces with the current key. Nothing is changed where a key is missing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const rotate: Effect.Effect<Rotation, CredentialStoreError, PostgresSession | SealingKeys> = Effect.gen(
  function*() {
    const session = yield* PostgresSession
    const keys = yield* SealingKeys
    const key = yield* keys.current
    const query = (text: string, values: ReadonlyArray<unknown>) =>
      Effect.mapError(session.query(text, values), toStoreError(session.location, "Write"))

    const resealOne = (kind: Kind, row: Readonly<Record<string, unknown>>) =>
      Effect.gen(function*() {
        const purpose = `${kind.purpose}/${String(row["namespace"])}/${String(row["name"])}`
        const place = { location: `${String(row["name"])} in ${session.location}`, purpose }
        const plain = yield* SealedEnvelope.open(keys, place, Buffer.from(String(row["sealed"]), "utf8"))
        const text = SealedText.seal(key, purpose, Buffer.from(plain).toString("utf8"))
        const { count } = yield* query(
          `update lockstep.${kind.table} set sealed = $1, key_id = $2 where ${kind.name}::text = $3 and sealed = $4`,
          [text, key.id, row["key"], row["sealed"]]
        )
        return count
      })

    const reseal = (kind: Kind, after: string, done: number): Effect.Effect<number, CredentialStoreError> =>
      Effect.gen(function*() {
        const { rows } = yield* query(
          `select * from (${kind.select} where c.key_id <> $1) rows where key > $2 order by key limit ${BATCH}`,
          [key.id, after]
        )
        const counts = yield* Effect.forEach(rows, (row) => resealOne(kind, row))
        const sealed = done + counts.reduce((sum, count) => sum + count, 0)
        return rows.length < BATCH ? sealed : yield* reseal(kind, String(rows[rows.length - 1]!["key"]), sealed)
      })

    const counts = yield* Effect.forEach(KINDS, (kind) => reseal(kind, "", 0))
    const { rows: left } = yield* query(
      `select key_id from lockstep.credential where key_id <> $1
        union select key_id from lockstep.pending where key_id <> $1
        union select key_id from lockstep.client where key_id <> $1`,
      [key.id]
    )
    return {
      location: keys.location,
      key: key.id,
      sealed: counts.reduce((sum, count) => sum + count, 0),
      left: left.map(({ key_id }) => String(key_id))
    }
  }
).pipe(Effect.withSpan("lockstep.rotation"))
