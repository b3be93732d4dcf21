/**
 * The custody of a database that many hosts share.
 *
 * The provider is the resource, and no fence reaches it. So the intent is the fence: up to it the database refuses a
 * holder that was overtaken, and after it the next holder knows that the token may be consumed (I7).
 *
 * - A holder is stopped before its intent. Its lease runs out, another process takes the tenant, and the intent of the
 *   one that wakes names an epoch that is over.
 * - A holder is stopped after its intent. Its session lives, so the tenant stays its own, until that is no holder any more
 *   by any measure (`stranded`).
 * - The session is cut while the provider answers. The answer goes to the spool of the host and comes home later: a write
 *   of the record is a compare-and-swap, which asks no epoch, because an answer is worth storing wherever its token still
 *   is the stored one.
 * - The acknowledgement of the intent is late, or the session went with it. Nothing is sent, and the intent is taken back.
 * - The database went back in time. A generation below the highest that was ever seen redeems nothing; an answer in the
 *   spool that belongs to what is stored is found and stored again.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { Custody, type Evidence, type Held, Hold } from "@lockstep/core/Custody"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { Host } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Row } from "./internal/connection.js"
import * as JournalText from "./internal/journalText.js"
import { keyOf } from "./internal/key.js"
import * as LeaseWait from "./internal/leaseWait.js"
import * as Rows from "./PostgresCredentialStore.js"
import { type PostgresFailure, toStoreError } from "./PostgresFailure.js"
import * as PostgresLease from "./PostgresLease.js"
import { PostgresSession } from "./PostgresSession.js"
import { type Place, Spool } from "./Spool.js"

/** Rotation groups are rows beside the tenants, in a namespace that no tenant can be in. */
const GROUPS = "~group/"

const EVIDENCE = `
select extract(epoch from clock_timestamp()) * 1000 as now, t.id, t.generation, t.epoch, t.journal, t.history,
  c.version, c.sealed
from (select 1) one
left join lockstep.tenant t on t.namespace = $1 and t.name = $2
left join lockstep.credential c on c.tenant_id = t.id`

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

/**
 * Makes the custody of a session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Partial<PostgresLease.Limits> = {}
): Effect.Effect<Custody["Type"], never, PostgresSession | SealingKeys | Spool | Host> =>
  Effect.gen(function*() {
    const limits = { ...PostgresLease.defaults, ...options }
    const session = yield* PostgresSession
    const host = yield* Host
    const spool = yield* Spool
    const keys = yield* SealingKeys
    const rows = yield* Rows.rows
    const { location, namespace, signals } = session
    const tenants = PostgresLease.make(session, host.self, namespace, limits)
    const groups = PostgresLease.make(session, host.self, `${GROUPS}${namespace}`, limits)

    const journalOf = (tenant: TenantId) => `the journal of ${tenant} in ${location}`
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

    /** The answer that belongs to what is stored, else one that no store has taken. */
    const keptFor = (tenant: TenantId, stored: Option.Option<Credential.Stored>) =>
      Effect.map(spool.read(tenant), (all) => {
        const present = Option.flatMap(stored, ({ credential }) => Fingerprint.ofCredential(host, credential))
        return Option.map(
          Option.orElse(
            Option.fromNullable(all.find(({ answer }) => Option.contains(present, answer.fingerprint))),
            () => Option.fromNullable(all.find(({ isStored }) => !isStored))
          ),
          ({ answer }) => answer
        )
      })

    interface Read {
      readonly evidence: Evidence
      readonly generation: number
    }

    const readWith = (
      tenant: TenantId,
      journalFrom: (row: Row) => Effect.Effect<RefreshJournal.JournalRecord, CredentialStoreError>,
      kept: (
        stored: Option.Option<Credential.Stored>
      ) => Effect.Effect<Option.Option<RefreshJournal.CapturedAnswer>, CredentialStoreError>
    ): Effect.Effect<Read, CredentialStoreError> =>
      Effect.gen(function*() {
        const { rows: [row = {}] } = yield* query(EVIDENCE, [namespace, tenant], toReadError)
        const now = Number(row["now"])
        session.heardTime(now)
        const stored = yield* rows.storedOf(tenant, row)
        const journal = yield* journalFrom(row)
        // An answer that was captured lies in the spool of its host, and any process of that host may bring it.
        const sender = Option.filterMap(
          journal.intent,
          ({ by, state }) => state === "sending" ? Option.some(by) : Option.none()
        )
        return {
          generation: Number(row["generation"] ?? 0),
          evidence: {
            stored,
            journal,
            kept: yield* kept(stored),
            now,
            senderMayLive: Option.isNone(sender) || !(yield* PostgresLease.isProvenDead(host.self, sender.value))
          }
        }
      })

    const read = (tenant: TenantId) =>
      readWith(
        tenant,
        (row) => JournalText.read(tenant, journalOf(tenant), row),
        (stored) => keptFor(tenant, stored)
      )

    const readReplacing = (tenant: TenantId) =>
      readWith(
        tenant,
        (row) =>
          Effect.catchIf(
            JournalText.read(tenant, journalOf(tenant), row),
            ({ reason }) => reason === "Decode",
            () =>
              Effect.succeed(RefreshJournal.JournalRecord.make({
                ...RefreshJournal.empty(tenant),
                generation: Math.floor(Number(row["now"]) / 1_000)
              }))
          ),
        (stored) => Effect.orElseSucceed(keptFor(tenant, stored), Option.none)
      )

    /** Refuses what comes from a database that went back, unless this host has the answer that mends it. */
    const current = (tenant: TenantId, { evidence, generation }: Read): Effect.Effect<Evidence, CredentialStoreError> =>
      Effect.suspend(() => {
        if (generation >= signals.highest(rows.keyOf(tenant))) return Effect.succeed(evidence)
        const present = Option.flatMap(evidence.stored, ({ credential }) => Fingerprint.ofCredential(host, credential))
        return Option.exists(evidence.kept, ({ fingerprint }) => Option.contains(present, fingerprint))
          ? Effect.succeed(evidence)
          : new CredentialStoreError({
            reason: "Superseded",
            location,
            detail: `it lacks later changes of ${tenant} that this process has seen: the database went back in time`,
            remedy: `see what became of its standby or its backup; a login of ${tenant} stores a new one at any time`
          })
      })

    const heldOf = (tenant: TenantId, lease: PostgresLease.Lease): Effect.Effect<Held, never, Scope.Scope> =>
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
            options?.replaceJournal === true
              ? Effect.map(readReplacing(tenant), ({ evidence }) => evidence)
              : Effect.flatMap(read(tenant), (one) => current(tenant, one)),
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

    return Custody.of({
      location,
      journalOf,
      read: (tenant) => Effect.map(read(tenant), ({ evidence }) => evidence),
      holder: (tenant) => Effect.orElseSucceed(tenants.holder(tenant), Option.none),
      hold: (tenant, { look = Effect.succeedNone, rotationGroup = Option.none(), timeout }) =>
        Effect.gen(function*() {
          const options = { label: tenant, look, timeout }
          if (Option.isSome(rotationGroup)) {
            const group = rotationGroup.value
            const waited = yield* LeaseWait.of(session, groups, {
              ...options,
              name: group,
              key: keyOf(`${GROUPS}${namespace}`, group)
            })
            if (Either.isRight(waited)) return Hold.Found({ value: waited.right })
          }
          const waited = yield* LeaseWait.of(session, tenants, { ...options, name: tenant, key: rows.keyOf(tenant) })
          return Either.isRight(waited)
            ? Hold.Found({ value: waited.right })
            : Hold.Held({ held: yield* heldOf(tenant, waited.left) })
        }).pipe(Effect.withSpan("lockstep.refresh.lock"))
    })
  })

/**
 * The custody of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  limits?: Partial<PostgresLease.Limits>
): Layer.Layer<Custody, never, PostgresSession | SealingKeys | Spool | Host> => Layer.effect(Custody, make(limits))
