/**
 * A tenant that is held: what its holder reads, announces, captures and commits, each against the row as it is by then.
 */
import * as Credential from "@lockstep/core/Credential"
import type { Held } from "@lockstep/core/Custody"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import type { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Rows } from "../PostgresCredentialStore.js"
import { type PostgresFailure, toStoreError } from "../PostgresFailure.js"
import type * as PostgresLease from "../PostgresLease.js"
import type { PostgresSession } from "../PostgresSession.js"
import type { Place, Spool } from "../Spool.js"
import type * as Evidences from "./evidence.js"
import * as JournalText from "./journalText.js"

// The version of a record is the generation of its tenant, and is asked of the tenant's own row: a statement that waited
// for that row sees it as it is by then, and every other row as it was before.
const ANNOUNCE = `
update lockstep.tenant set journal = $4, history = $5, intent = $6
where id = $1 and epoch = $2 and holder = $3 and generation = $7
returning id`

const LOOK_AGAIN = `
select t.epoch, t.holder, c.version, c.sealed
from lockstep.tenant t left join lockstep.credential c on c.tenant_id = t.id where t.id = $1`

const NOTE = `
update lockstep.tenant set journal = $3, history = $4, intent = $5 where id = $1 and epoch = $2 returning id`

const WRITABLE = "select current_setting('transaction_read_only') as read_only"

export interface Options {
  readonly session: PostgresSession["Type"]
  readonly spool: Spool["Type"]
  readonly keys: SealingKeys["Type"]
  readonly rows: Rows
  readonly evidence: ReturnType<typeof Evidences.make>
  readonly limits: PostgresLease.Limits
  /** What messages call the journal of a tenant. */
  readonly journalOf: (tenant: TenantId) => string
}

/** What a lease of a tenant gives to its holder, until the scope closes. */
export const make = ({ evidence, journalOf, keys, limits, rows, session, spool }: Options) => {
  const { location } = session
  const toReadError = toStoreError(location, "Read")
  const toWriteError = toStoreError(location, "Write")

  const query = (
    text: string,
    values: ReadonlyArray<unknown>,
    toError: (failure: PostgresFailure) => CredentialStoreError
  ) => Effect.mapError(session.query(text, values), toError)

  const overtaken = (tenant: TenantId) =>
    new CredentialStoreError({
      reason: "Superseded",
      location: journalOf(tenant),
      detail: "another process took the tenant over meanwhile, and nothing was sent"
    })

  return (tenant: TenantId, lease: PostgresLease.Lease): Effect.Effect<Held, never, Scope.Scope> =>
    Effect.gen(function*() {
      let place: Place | undefined
      yield* Effect.addFinalizer(() => Effect.suspend(() => place?.giveBack ?? Effect.void))

      const settleSpool = Effect.catchAll(
        spool.stored(tenant),
        (error) => Effect.logDebug(`the kept answer of ${tenant} could not be set aside: ${error.message}`)
      )

      const note: Held["note"] = (record, options) =>
        Effect.gen(function*() {
          const { history, intent, journal } = JournalText.write(record)
          const { count } = yield* query(NOTE, [lease.tenantId, lease.epoch, journal, history, intent], toWriteError)
          if (count === 0) return yield* overtaken(tenant)
          if (options?.discard === true) yield* settleSpool
        }).pipe(Effect.uninterruptible)

      /** Whether what is stored now still holds what `over` presents, under whatever version. */
      const presentVersion = (over: Credential.Stored) =>
        Effect.gen(function*() {
          const { rows: [row] } = yield* query(LOOK_AGAIN, [lease.tenantId], toReadError)
          if (row === undefined || String(row["epoch"]) !== lease.epoch) return yield* overtaken(tenant)
          const stored = yield* rows.storedOf(tenant, row)
          return Option.filterMap(stored, ({ credential, version }) =>
            Credential.isSameSecret(Credential.presented(credential), Credential.presented(over.credential))
              ? Option.some(version)
              : Option.none())
        })

      const restamped = (record: RefreshJournal.JournalRecord) =>
        RefreshJournal.JournalRecord.make({
          ...record,
          intent: Option.map(
            record.intent,
            (intent) => RefreshJournal.Intent.make({ ...intent, at: Math.floor(session.now()) })
          )
        })

      /** Announces over a version, and again over the next one where only the version moved. */
      const announce = (
        record: RefreshJournal.JournalRecord,
        over: Credential.Stored,
        left = 8,
        since = performance.now()
      ): Effect.Effect<boolean, CredentialStoreError> =>
        Effect.gen(function*() {
          const version = yield* presentVersion(over)
          if (Option.isNone(version)) return false
          const present = yield* Effect.mapError(session.presence, toWriteError)
          const { history, intent, journal } = JournalText.write(record)
          const began = performance.now()
          const { count } = yield* Effect.mapError(
            present.query(ANNOUNCE, [
              lease.tenantId,
              lease.epoch,
              present.id,
              journal,
              history,
              intent,
              version.value
            ]),
            toWriteError
          )
          if (count === 0) {
            return left > 0 ? yield* announce(record, over, left - 1, since) : yield* overtaken(tenant)
          }
          // A holder without a session can neither store what it gets nor be told that it was overtaken.
          if (present.isLive() && performance.now() - began <= Duration.toMillis(limits.prompt)) return true
          // What was acknowledged late others have waited on for as long: it is said again with the time that it is now,
          // if a server can still be left its time to answer.
          const isInTime = performance.now() - since <= 2 * Duration.toMillis(limits.prompt)
          if (present.isLive() && isInTime) return yield* announce(restamped(record), over, left - 1, since)
          return yield* new CredentialStoreError({
            reason: "Unavailable",
            location,
            detail: "it acknowledged too late, and nothing was sent",
            remedy: "try again"
          })
        })

      return {
        taken: lease.taken,
        since: lease.since,
        now: Effect.sync(() => Math.floor(session.now())),
        read: (options) =>
          options?.replaceJournal === true ? evidence.readReplacing(tenant) : evidence.readCurrent(tenant),
        reserve: (bytes) =>
          Effect.gen(function*() {
            yield* keys.current
            const { rows: [row] } = yield* query(WRITABLE, [], toWriteError)
            if (row?.["read_only"] !== "off") {
              return yield* new CredentialStoreError({ reason: "Write", location, detail: "it takes no writes now" })
            }
            if (Option.isNone(bytes)) return
            yield* place?.giveBack ?? Effect.void
            place = yield* Effect.withSpan(spool.reserve(tenant, bytes.value), "lockstep.refresh.reserve")
          }),
        begin: (record, over) =>
          Effect.uninterruptible(Option.match(record, {
            onNone: () => Effect.map(presentVersion(over), Option.isSome),
            onSome: (journal) => announce(journal, over)
          })),
        capture: (answer) =>
          Effect.suspend(() => place === undefined ? spool.keep(tenant, answer) : place.keep(answer)).pipe(
            Effect.uninterruptible
          ),
        commit: (commit) =>
          Effect.gen(function*() {
            let settlement = Option.none<
              { readonly journal: RefreshJournal.JournalRecord; readonly discard: boolean }
            >()
            const done = yield* rows.swap(tenant, commit.decide, (value) => {
              settlement = commit.settle(value)
              return Option.map(settlement, (one) => ({ ...JournalText.write(one.journal), epoch: lease.epoch }))
            })
            if (commit.onDurable !== undefined) yield* commit.onDurable(done.value)
            if (!done.changed) settlement = commit.settle(done.value)
            if (Option.isNone(settlement)) return { value: done.value, settled: Either.void }
            const { discard, journal } = settlement.value
            switch (done.beside) {
              case "Written":
                if (discard) yield* settleSpool
                return { value: done.value, settled: Either.void }
              case "Fenced":
                return { value: done.value, settled: Either.left(overtaken(tenant)) }
              case "None":
                return {
                  value: done.value,
                  settled: yield* Effect.either(
                    Effect.withSpan(note(journal, { discard }), `lockstep.${commit.act}.settle`)
                  )
                }
            }
          }).pipe(Effect.uninterruptible),
        note,
        discardUnreadable: Effect.matchEffect(spool.read(tenant), {
          onFailure: () => spool.stored(tenant),
          onSuccess: () => Effect.void
        })
      } satisfies Held
    })
}
