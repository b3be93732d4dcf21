/**
 * Credentials as rows: sealed text, under a version that counts the changes of the tenant.
 *
 * A write names the version that it was decided on. It is refused where that is not the present one, and decided again on
 * what is there by then. No lock is held while a decision is made.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { CredentialStore, queued } from "@lockstep/core/CredentialStore"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { Host } from "@lockstep/core/Host"
import * as TenantId from "@lockstep/core/TenantId"
import { type Change, WritableStore } from "@lockstep/core/WritableStore"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { Row } from "./internal/connection.js"
import { keyOf } from "./internal/key.js"
import * as Records from "./internal/records.js"
import { PostgresFailure, toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

/**
 * What a row of a tenant says, beside its journal.
 *
 * @since 0.1.0
 * @category models
 */
export interface TenantRow {
  readonly id: string
  readonly generation: number
  readonly epoch: string
  readonly stored: Option.Option<Credential.Stored>
}

/**
 * What is written together with a record: the journal of the tenant, if its holder still has this epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Beside {
  readonly epoch: string
  readonly journal: string
  readonly history: string
  readonly intent: string | null
}

/**
 * What a swap did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Swapped<A> {
  readonly value: A
  /** Whether what was to be written beside the record was written, too. */
  readonly beside: "None" | "Written" | "Fenced"
  readonly changed: boolean
}

/**
 * The records, for the modules of this package that hold tenants.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rows {
  readonly keyOf: (tenant: TenantId.TenantId) => string
  readonly locationOf: (tenant: TenantId.TenantId) => string
  /** The id of a tenant, which is made where there is none. */
  readonly idOf: (tenant: TenantId.TenantId) => Effect.Effect<string, CredentialStoreError>
  readonly storedOf: (
    tenant: TenantId.TenantId,
    row: Row
  ) => Effect.Effect<Option.Option<Credential.Stored>, CredentialStoreError>
  readonly read: (tenant: TenantId.TenantId) => Effect.Effect<Option.Option<TenantRow>, CredentialStoreError>
  /** Decides and writes, with what goes beside it. `beside` is asked once per decision. */
  readonly swap: <A>(
    tenant: TenantId.TenantId,
    decide: (current: Option.Option<Credential.Stored>) => Change<A>,
    beside: (value: A) => Option.Option<Beside>
  ) => Effect.Effect<Swapped<A>, CredentialStoreError>
}

const READ = `
select t.id, t.generation, t.epoch, c.version, c.sealed
from lockstep.tenant t left join lockstep.credential c on c.tenant_id = t.id
where t.namespace = $1 and t.name = $2`

const LIST = `
select t.name from lockstep.tenant t join lockstep.credential c on c.tenant_id = t.id where t.namespace = $1`

const INSERT = "insert into lockstep.tenant (namespace, name) values ($1, $2) on conflict (namespace, name) do nothing"

const FIND = "select id from lockstep.tenant where namespace = $1 and name = $2"

// The record's change is decided by the generation alone; the journal's by the epoch, too. An answer that an overtaken
// holder brings is stored where it belongs, and what that holder knows of the tenant is not.
const TAKE_TURN = `
with turn as (
  update lockstep.tenant set generation = $3,
    journal = case when epoch = $4::bigint then $5 else journal end,
    history = case when epoch = $4::bigint then $6 else history end,
    intent = case when epoch = $4::bigint then $7 else intent end
  where id = $1 and generation = $2
  returning id, epoch
)`

const PUT = `${TAKE_TURN}, written as (
  insert into lockstep.credential (tenant_id, version, fingerprint, sealed, key_id)
  select id, $3, $8, $9, $10 from turn
  on conflict (tenant_id) do update set
    version = excluded.version, fingerprint = excluded.fingerprint, sealed = excluded.sealed, key_id = excluded.key_id
  returning 1
)
select epoch from turn`

const REMOVE = `${TAKE_TURN}, removed as (
  delete from lockstep.credential where tenant_id in (select id from turn) returning 1
)
select epoch from turn`

/** A tenant that changes at every try is a fault of its own. */
const TURNS = 64

/**
 * The rows of a session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const rows: Effect.Effect<Rows, never, PostgresSession | SealingKeys | Host> = Effect.gen(function*() {
  const session = yield* PostgresSession
  const host = yield* Host
  const records = Records.make(yield* SealingKeys, Credential.Credential)
  const { location, namespace, signals } = session

  const keyed = (tenant: TenantId.TenantId) => keyOf(namespace, tenant)
  const locationOf = (tenant: TenantId.TenantId) => `${tenant} in ${location}`
  const purposeOf = (tenant: TenantId.TenantId) => `credential/${namespace}/${tenant}`

  const storedOf: Rows["storedOf"] = (tenant, row) =>
    typeof row["sealed"] === "string"
      ? Effect.map(
        records.open(purposeOf(tenant), locationOf(tenant), row["sealed"]),
        (credential) => Option.some({ credential, version: Credential.Version(String(row["version"])) })
      )
      : Effect.succeedNone

  const read: Rows["read"] = (tenant) =>
    session.query(READ, [namespace, tenant]).pipe(
      Effect.mapError(toStoreError(location, "Read")),
      Effect.flatMap(({ rows: [row] }) => {
        signals.read(keyed(tenant), Number(row?.["generation"] ?? 0))
        return row === undefined ? Effect.succeedNone : Effect.map(storedOf(tenant, row), (stored) =>
          Option.some({
            id: String(row["id"]),
            generation: Number(row["generation"]),
            epoch: String(row["epoch"]),
            stored
          }))
      })
    )

  const idOf: Rows["idOf"] = (tenant) =>
    session.query(INSERT, [namespace, tenant]).pipe(
      Effect.zipRight(session.query(FIND, [namespace, tenant])),
      Effect.mapError(toStoreError(location, "Write")),
      Effect.flatMap(({ rows: [row] }) =>
        row === undefined
          ? new CredentialStoreError({ reason: "Write", location, detail: "a row that was written is not there" })
          : Effect.succeed(String(row["id"]))
      )
    )

  const swap: Rows["swap"] = (tenant, decide, beside) => {
    type Value = ReturnType<typeof decide> extends Change<infer A> ? A : never
    const turn = (left: number): Effect.Effect<Swapped<Value>, CredentialStoreError> =>
      Effect.gen(function*() {
        const row = yield* read(tenant)
        const current = Option.flatMap(row, ({ stored }) => stored)
        const change = decide(current) as Change<Value>
        if (change._tag === "Keep" || (change._tag === "Remove" && Option.isNone(current))) {
          return { value: change.value, beside: "None", changed: false }
        }
        const { generation, id } = yield* Option.match(row, {
          onSome: Effect.succeed,
          onNone: () => Effect.map(idOf(tenant), (made) => ({ id: made, generation: 0 }))
        })
        // Beyond everything that was ever seen of it: a database that went back must not count the same steps again.
        const next = Math.max(generation, signals.highest(keyed(tenant))) + 1
        const value = change._tag === "Remove"
          ? change.value
          : change.value({ credential: change.credential, version: Credential.Version(String(next)) })
        const also = beside(value)
        const common = [
          id,
          generation,
          next,
          ...Option.match(also, {
            onNone: () => [null, null, null, null],
            onSome: ({ epoch, history, intent, journal }) => [epoch, journal, history, intent]
          })
        ]
        const answer = yield* Effect.gen(function*() {
          if (change._tag === "Remove") return yield* session.query(REMOVE, common)
          const sealed = yield* records.seal(purposeOf(tenant), change.credential)
          const fingerprint = Option.getOrNull(Fingerprint.ofCredential(host, change.credential))
          return yield* session.query(PUT, [...common, fingerprint, sealed.text, sealed.keyId])
        }).pipe(
          Effect.mapError((error) => error instanceof PostgresFailure ? toStoreError(location, "Write")(error) : error)
        )
        const written = answer.rows[0]
        if (written === undefined) {
          return left > 0
            ? yield* turn(left - 1)
            : yield* new CredentialStoreError({
              reason: "Superseded",
              location: locationOf(tenant),
              detail: "other processes keep replacing this record"
            })
        }
        session.announce(keyed(tenant), next, false)
        return {
          value,
          changed: true,
          beside: Option.match(also, {
            onNone: () => "None",
            onSome: ({ epoch }) => String(written["epoch"]) === epoch ? "Written" : "Fenced"
          })
        }
      })
    return turn(TURNS)
  }

  return { keyOf: keyed, locationOf, idOf, storedOf, read, swap }
})

/**
 * The store of a session, for readers and for tests of a store. A process that changes a login holds its tenant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<WritableStore["Type"], never, PostgresSession | SealingKeys | Host> = Effect.gen(
  function*() {
    const session = yield* PostgresSession
    const keys = yield* SealingKeys
    const records = yield* rows
    const { location, namespace, signals } = session
    // A subscription that hears nothing is useless: it begins with a session, if one can be had.
    const present = Effect.ignore(session.presence)
    const begin = Runtime.runFork(yield* Effect.runtime<never>())
    return WritableStore.of({
      location,
      get: (tenant) => Effect.map(records.read(tenant), Option.flatMap(({ stored }) => stored)),
      list: session.query(LIST, [namespace]).pipe(
        Effect.mapError(toStoreError(location, "Read")),
        Effect.map(({ rows: found }) =>
          found.flatMap(({ name }) => Option.toArray(Option.getRight(TenantId.fromString(String(name)))))
        )
      ),
      epoch: (tenant) => signals.epoch(records.keyOf(tenant), session.freshFor()),
      changes: (tenant) =>
        Effect.zipRight(present, queued((callback) => signals.listen(records.keyOf(tenant), callback))),
      listen: (tenant, callback) => {
        begin(present)
        return signals.listen(records.keyOf(tenant), callback)
      },
      modify: (tenant, decide) =>
        Effect.map(Effect.uninterruptible(records.swap(tenant, decide, Option.none)), ({ value }) => value),
      prepare: () =>
        Effect.zipRight(keys.current, session.query("select 1")).pipe(
          Effect.mapError((error) => error instanceof PostgresFailure ? toStoreError(location, "Write")(error) : error),
          Effect.asVoid
        )
    })
  }
)

/**
 * The reader of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<CredentialStore, never, PostgresSession | SealingKeys | Host> = Layer.effect(
  CredentialStore,
  make
)
