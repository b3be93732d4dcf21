/**
 * What the database tells of the fleet: who is there, what is held, what is at risk. Reads only.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PostgresDueTimes from "./PostgresDueTimes.js"
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
  /** The id of the session that holds it, as `Session` has it. */
  readonly session: string
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
 * A session of a process, by the number of its presence as sixteen hexadecimal digits.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly command: string
  /** Seconds since it began. */
  readonly age: number
  /** The version of the tables that its process was made for. */
  readonly schema: number
  /** Tenants that it holds, of all namespaces that this role sees. */
  readonly holds: number
  readonly isOwn: boolean
}

/**
 * The budget of an issuer, as those that sweep see it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Budget {
  readonly issuer: string
  /** Seconds for which it is not asked; zero where it may be. */
  readonly closedFor: number
  readonly failures: number
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
  /** Sessions that live, the oldest first, 1,000 at most, and how many there are. */
  readonly present: ReadonlyArray<Session>
  readonly sessions: number
  readonly tenants: number
  readonly held: ReadonlyArray<HeldTenant>
  /** Standbys that stream, and whether every commit waits for one. */
  readonly standbys: number
  readonly isSynchronous: boolean
  /** Seconds for which the login that is due first for those that sweep has been due; negative before it is. */
  readonly lag: Option.Option<number>
  readonly budgets: ReadonlyArray<Budget>
  /** Milliseconds by which the clock of this machine is ahead of the server's. */
  readonly ahead: number
  /** Ids of the keys that rows are sealed with. */
  readonly keys: ReadonlyArray<string>
}

// Who may not read statistics sees that a standby streams, and not how: the setting tells that, too.
const FACTS = `
select current_setting('server_version') as version,
  coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as encrypted,
  (select count(*)::int from lockstep.credential) as tenants,
  (select count(*)::int from pg_stat_replication) as standbys,
  current_setting('synchronous_standby_names') <> '' as synchronous,
  extract(epoch from clock_timestamp()) * 1000 as now`

const SESSIONS = `
select lpad(to_hex(s.presence), 16, '0') as id, s.host, s.pid, s.command, s.schema, s.presence = $1 as own,
  extract(epoch from clock_timestamp() - s.since)::float8 as age,
  (select count(*)::int from lockstep.tenant t where t.holder = s.presence) as holds
from lockstep.session s
where s.presence = $1 or not pg_try_advisory_xact_lock_shared(s.presence)
order by s.since, s.presence`

const SHOWN = 1_000

const BUDGETS = `
select issuer, failures, greatest(0, open_until / 1000 - extract(epoch from clock_timestamp()))::float8 as closed_for
from lockstep.issuer order by closed_for desc, issuer limit ${SHOWN}`

const HELD = `
select t.name, lpad(to_hex(t.holder), 16, '0') as session, s.host, s.pid, t.intent = 'sending' as sending,
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
  const { rows: [facts = {}] } = yield* present.query(FACTS)
  const between = (before + Date.now()) / 2
  const { rows: held } = yield* present.query(HELD, [session.namespace, present.id])
  const { rows: keys } = yield* present.query(KEYS)
  const { rows: sessions } = yield* present.query(SESSIONS, [present.id])
  const { rows: budgets } = yield* present.query(BUDGETS)
  const next = yield* PostgresDueTimes.next({ namespace: session.namespace, query: present.query })
  return {
    location: session.location,
    fleet: present.fleet,
    version: String(facts["version"]),
    isEncrypted: facts["encrypted"] === true,
    present: sessions.slice(0, SHOWN).map((row) => ({
      id: String(row["id"]),
      host: String(row["host"]),
      pid: Number(row["pid"]),
      command: String(row["command"]),
      age: Number(row["age"]),
      schema: Number(row["schema"]),
      holds: Number(row["holds"]),
      isOwn: row["own"] === true
    })),
    sessions: sessions.length,
    tenants: Number(facts["tenants"]),
    held: held.map((row) => ({
      tenant: String(row["name"]),
      session: String(row["session"]),
      host: String(row["host"] ?? ""),
      pid: Number(row["pid"] ?? 0),
      heldFor: Number(row["held_for"]),
      overdueFor: Number(row["overdue_for"]),
      isSending: row["sending"] === true,
      isPresent: row["present"] === true
    })),
    standbys: Number(facts["standbys"]),
    isSynchronous: facts["synchronous"] === true,
    lag: Option.map(next.dueAt, (dueAt) => (next.now - dueAt) / 1_000),
    budgets: budgets.map((row) => ({
      issuer: String(row["issuer"]),
      closedFor: Number(row["closed_for"]),
      failures: Number(row["failures"])
    })),
    ahead: between - Number(facts["now"]),
    keys: keys.map(({ key_id }) => String(key_id))
  }
}).pipe((view) =>
  Effect.flatMap(PostgresSession, ({ location }) => Effect.mapError(view, toStoreError(location, "Read")))
)
