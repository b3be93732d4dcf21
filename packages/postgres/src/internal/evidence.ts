/**
 * What is known of a tenant: the record and the journal out of one statement, the answer that the spool of this host keeps,
 * and the time on the database's clock. A database that went back in time is not believed.
 */
import type * as Credential from "@lockstep/core/Credential"
import type { Evidence } from "@lockstep/core/Custody"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import type { Host } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Rows } from "../PostgresCredentialStore.js"
import { toStoreError } from "../PostgresFailure.js"
import * as PostgresLease from "../PostgresLease.js"
import type { PostgresSession } from "../PostgresSession.js"
import type { Spool } from "../Spool.js"
import type { Row } from "./connection.js"
import * as JournalText from "./journalText.js"

const EVIDENCE = `
select extract(epoch from clock_timestamp()) * 1000 as now, t.id, t.generation, t.epoch, t.journal, t.history,
  c.version, c.sealed
from (select 1) one
left join lockstep.tenant t on t.namespace = $1 and t.name = $2
left join lockstep.credential c on c.tenant_id = t.id`

export interface Options {
  readonly session: PostgresSession["Type"]
  readonly host: Host["Type"]
  readonly spool: Spool["Type"]
  readonly rows: Rows
  /** What messages call the journal of a tenant. */
  readonly journalOf: (tenant: TenantId) => string
}

export const make = ({ host, journalOf, rows, session, spool }: Options) => {
  const { location, namespace, signals } = session
  const toReadError = toStoreError(location, "Read")

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
      const { rows: [row = {}] } = yield* Effect.mapError(session.query(EVIDENCE, [namespace, tenant]), toReadError)
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

  return {
    /** Reads it, without believing or refusing what it says. */
    read: (tenant: TenantId) => Effect.map(read(tenant), ({ evidence }) => evidence),
    /** Reads it for a holder, which acts on it. */
    readCurrent: (tenant: TenantId) => Effect.flatMap(read(tenant), (one) => current(tenant, one)),
    /** Reads it for a login, which a journal that cannot be read does not keep out. */
    readReplacing: (tenant: TenantId) => Effect.map(readReplacing(tenant), ({ evidence }) => evidence)
  }
}
