/**
 * What the database tells of the fleet: who is there, what is held, what is at risk. Reads only.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

/**
 * A tenant that is held.
 *
 * @since 0.1.0
 * @category models
 */
export interface HeldTenant {
  readonly tenant: string
  /** The host and pid of the holder; empty and zero where nothing is known of its session any more. */
  readonly host: string
  readonly pid: number
  /** Seconds since it was taken, and since its lease ran out; negative while it runs. */
  readonly heldFor: number
  readonly overdueFor: number
  /** Whether a request was announced that has not been answered. */
  readonly isSending: boolean
  /** Whether the session of the holder lives. */
  readonly isPresent: boolean
}

/**
 * The fleet as it is now.
 *
 * @since 0.1.0
 * @category models
 */
export interface FleetView {
  readonly location: string
  readonly fleet: string
  readonly version: string
  readonly isEncrypted: boolean
  /** Sessions that live. */
  readonly sessions: number
  readonly tenants: number
  readonly held: ReadonlyArray<HeldTenant>
  /** Standbys that stream, and how many of them are waited for by every commit. */
  readonly standbys: number
  readonly synchronous: number
  /** Milliseconds by which the clock of this machine is ahead of the server's. */
  readonly ahead: number
  /** Ids of the keys that rows are sealed with. */
  readonly keys: ReadonlyArray<string>
}

const FACTS = `
select current_setting('server_version') as version,
  coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as encrypted,
  (select count(*)::int from lockstep.session s where not pg_try_advisory_xact_lock_shared(s.presence)
    or s.presence = $1) as sessions,
  (select count(*)::int from lockstep.credential) as tenants,
  (select count(*)::int from pg_stat_replication) as standbys,
  (select count(*)::int from pg_stat_replication where sync_state in ('sync', 'quorum')) as synchronous,
  extract(epoch from clock_timestamp()) * 1000 as now`

const HELD = `
select t.name, s.host, s.pid, t.intent = 'sending' as sending,
  extract(epoch from clock_timestamp() - t.acquired_at)::float8 as held_for,
  extract(epoch from clock_timestamp() - t.until)::float8 as overdue_for,
  t.holder = $2 or not pg_try_advisory_xact_lock_shared(t.holder) as present
from lockstep.tenant t left join lockstep.session s on s.presence = t.holder
where t.holder is not null and t.namespace = $1 order by t.name limit 1000`

const KEYS = `
select distinct key_id from (
  select key_id from lockstep.credential union select key_id from lockstep.pending
  union select key_id from lockstep.client
) used order by key_id`

/**
 * Looks at the fleet.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read: Effect.Effect<FleetView, CredentialStoreError, PostgresSession> = Effect.gen(function*() {
  const session = yield* PostgresSession
  const present = yield* session.presence
  const before = Date.now()
  const { rows: [facts = {}] } = yield* present.query(FACTS, [present.id])
  const between = (before + Date.now()) / 2
  const { rows: held } = yield* present.query(HELD, [session.namespace, present.id])
  const { rows: keys } = yield* present.query(KEYS)
  return {
    location: session.location,
    fleet: present.fleet,
    version: String(facts["version"]),
    isEncrypted: facts["encrypted"] === true,
    sessions: Number(facts["sessions"]),
    tenants: Number(facts["tenants"]),
    held: held.map((row) => ({
      tenant: String(row["name"]),
      host: String(row["host"] ?? ""),
      pid: Number(row["pid"] ?? 0),
      heldFor: Number(row["held_for"]),
      overdueFor: Number(row["overdue_for"]),
      isSending: row["sending"] === true,
      isPresent: row["present"] === true
    })),
    standbys: Number(facts["standbys"]),
    synchronous: Number(facts["synchronous"]),
    ahead: between - Number(facts["now"]),
    keys: keys.map(({ key_id }) => String(key_id))
  }
}).pipe((view) =>
  Effect.flatMap(PostgresSession, ({ location }) => Effect.mapError(view, toStoreError(location, "Read")))
)
