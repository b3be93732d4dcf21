/**
 * The tables of the fleet, and how they change while processes of two versions run.
 *
 * A change comes in two steps. The first one expands: earlier processes go on. The second one contracts, once none of them
 * runs any more, and raises `readers_from`, which keeps what is older from writing. All of it happens in one transaction
 * under a lock of its own, so that of several processes that migrate at once one does and the others find it done.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Connect from "./internal/connect.js"
import type { Connection } from "./internal/connection.js"
import type { PostgresAddress } from "./PostgresAddress.js"
import { PostgresFailure, toStoreError } from "./PostgresFailure.js"

/**
 * One change of the tables.
 *
 * @since 0.1.0
 * @category models
 */
export interface Migration {
  readonly version: number
  /** `contract`: processes of an earlier version must not write any more. */
  readonly step: "expand" | "contract"
  readonly sql: string
}

const FIRST = `
create table lockstep.fleet (
  one boolean primary key default true check (one),
  id uuid not null default gen_random_uuid(),
  schema integer not null,
  readers_from integer not null
);
insert into lockstep.fleet (schema, readers_from) values (0, 0);

-- Never deleted: generations never begin again.
create table lockstep.tenant (
  id bigint generated always as identity primary key,
  namespace text not null default '',
  name text not null,
  generation bigint not null default 0,
  epoch bigint not null default 0,
  holder bigint,
  acquired_at timestamptz,
  until timestamptz,
  intent text,
  journal text not null default '',
  history text not null default '',
  unique (namespace, name)
) with (fillfactor = 60);
create index tenant_holder on lockstep.tenant (holder) where holder is not null;

create table lockstep.credential (
  tenant_id bigint primary key references lockstep.tenant,
  version bigint not null,
  fingerprint text,
  sealed text not null,
  key_id text not null
) with (fillfactor = 80);

create table lockstep.session (
  presence bigint primary key,
  backend integer not null,
  host text not null,
  machine text,
  pid integer not null,
  pid_ns text,
  start_time text not null,
  boot_id text not null,
  command text not null,
  since timestamptz not null default clock_timestamp()
);

create table lockstep.pending (
  namespace text not null,
  name text not null,
  created double precision not null,
  sealed text not null,
  key_id text not null,
  primary key (namespace, name)
);

create table lockstep.client (
  namespace text not null,
  issuer text not null,
  sealed text not null,
  key_id text not null,
  primary key (namespace, issuer)
);

create table lockstep.sealing_key (
  id text primary key,
  wrapped text not null,
  since timestamptz not null default clock_timestamp()
);
`

/**
 * Due times and budgets for those that sweep, and teams that see only their own namespaces. Processes of version 1 go on:
 * what they store is enrolled by a trigger.
 */
const SWEEP_AND_TEAMS = `
alter table lockstep.session add column schema integer not null default 1;

create table lockstep.schedule (
  tenant_id bigint primary key references lockstep.tenant,
  namespace text not null,
  issuer text not null default '',
  due_at timestamptz not null,
  used_at timestamptz,
  version bigint,
  keep text,
  is_over boolean not null default false
) with (fillfactor = 70);
create index schedule_due on lockstep.schedule (namespace, issuer, due_at);

-- Where rate and burst are null, the default is meant. Times are milliseconds since the epoch.
create table lockstep.issuer (
  issuer text primary key,
  rate double precision,
  burst double precision,
  allowance double precision not null default 0,
  at double precision not null default 0,
  open_until double precision not null default 0,
  failures integer not null default 0,
  probes integer not null default 0,
  probing integer not null default 0,
  probing_since double precision not null default 0,
  revision bigint not null default 0
) with (fillfactor = 50);

create function lockstep.enrol() returns trigger language plpgsql set search_path = pg_catalog as $lockstep$
begin
  if tg_op = 'DELETE' then
    delete from lockstep.schedule where tenant_id = old.tenant_id;
    return old;
  end if;
  insert into lockstep.schedule (tenant_id, namespace, due_at, used_at)
    select id, namespace, clock_timestamp(), clock_timestamp() from lockstep.tenant where id = new.tenant_id
    on conflict (tenant_id) do nothing;
  return new;
end
$lockstep$;
create trigger enrol after insert or delete on lockstep.credential for each row execute function lockstep.enrol();
insert into lockstep.schedule (tenant_id, namespace, due_at, used_at)
  select t.id, t.namespace, clock_timestamp(), clock_timestamp()
  from lockstep.tenant t join lockstep.credential c on c.tenant_id = t.id;

-- A login role that is named here sees the rows of its namespaces and no other ones. One that is not named sees all.
create table lockstep.team (
  role name not null,
  namespace text not null,
  primary key (role, namespace)
);
create function lockstep.is_unbound() returns boolean language sql stable security definer
  set search_path = pg_catalog as $lockstep$
  select not exists (select from lockstep.team where role = session_user)
$lockstep$;
create function lockstep.namespaces() returns text[] language sql stable security definer
  set search_path = pg_catalog as $lockstep$
  select coalesce(array_agg(n), '{}') from lockstep.team, unnest(array[namespace, '~group/' || namespace]) n
  where role = session_user
$lockstep$;
${
  ["tenant", "pending", "client", "schedule"].map((table) =>
    `alter table lockstep.${table} enable row level security;
create policy teams on lockstep.${table}
  using ((select lockstep.is_unbound()) or namespace = any((select lockstep.namespaces())::text[]));`
  ).join("\n")
}
alter table lockstep.credential enable row level security;
create policy teams on lockstep.credential using ((select lockstep.is_unbound())
  or exists (select from lockstep.tenant t where t.id = tenant_id));
`

/**
 * All of them, in their order.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Migration> = [
  { version: 1, step: "contract", sql: FIRST },
  { version: 2, step: "expand", sql: SWEEP_AND_TEAMS }
]

/**
 * The version of the tables that this package writes.
 *
 * @since 0.1.0
 * @category constants
 */
export const VERSION = Math.max(...all.map(({ version }) => version))

/**
 * The role that processes use: it reads and writes rows, and changes no table.
 *
 * @since 0.1.0
 * @category constants
 */
export const APPLICATION_ROLE = "lockstep_app"

/** What the application may do, where its role exists. A role is the server's, and made by its administrator. */
const GRANTS = `
do $lockstep$
begin
  if exists (select from pg_roles where rolname = '${APPLICATION_ROLE}') then
    grant usage on schema lockstep to ${APPLICATION_ROLE};
    grant select, insert, update, delete on all tables in schema lockstep to ${APPLICATION_ROLE};
    revoke insert, update, delete on lockstep.fleet from ${APPLICATION_ROLE};
    if to_regclass('lockstep.team') is not null then
      revoke all on lockstep.team from ${APPLICATION_ROLE};
    end if;
  end if;
end
$lockstep$;
`

/** Any number, the same for all that migrate. */
const LOCK = 4_919_337_206_155_227_341n

/**
 * Ends the sessions of processes that are too old for the tables: each begins another one, and is refused. A session is its
 * advisory lock: the number of a backend alone may be another client's by now.
 */
const endOlder = (version: number): string => `
select pg_terminate_backend(l.pid) from lockstep.session s join pg_locks l
  on l.locktype = 'advisory' and l.objsubid = 1 and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = s.presence
where s.schema < ${version};`

const statements = (pending: ReadonlyArray<Migration>): string =>
  [
    `select pg_advisory_xact_lock(${LOCK});`,
    "create schema if not exists lockstep;",
    ...pending.map(({ sql, step, version }) =>
      `${sql.trim()}\nupdate lockstep.fleet set schema = ${version}${
        step === "contract" ? `, readers_from = ${version}` : ""
      };${step === "contract" && version > 1 ? endOlder(version) : ""}`
    ),
    GRANTS.trim()
  ].join("\n\n")

/**
 * The statements that set up an empty database, for those who run them on their own.
 *
 * @since 0.1.0
 * @category rendering
 */
export const sql: string = `begin;\n\n${statements(all)}\n\ncommit;\n`

/**
 * What is there and what this package wants.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  /** What messages call the database. */
  readonly location: string
  /** Zero where nothing was set up. */
  readonly found: number
  readonly wanted: number
}

const foundIn = (connection: Connection): Effect.Effect<number, PostgresFailure> =>
  connection.query("select schema from lockstep.fleet").pipe(
    Effect.map(({ rows }) => Number(rows[0]?.["schema"] ?? 0)),
    Effect.catchIf(({ code }) => code === "42P01" || code === "3F000", () => Effect.succeed(0))
  )

const withConnection = <A>(
  address: PostgresAddress,
  reason: "Read" | "Write",
  use: (connection: Connection) => Effect.Effect<A, PostgresFailure>
): Effect.Effect<A, CredentialStoreError> =>
  Effect.scoped(Effect.flatMap(
    Effect.acquireRelease(
      Connect.toPrimary(address),
      ({ close, cut }, exit) => Exit.isInterrupted(exit) ? Effect.sync(cut) : close
    ),
    use
  )).pipe(Effect.mapError(toStoreError(address.location, reason)))

/**
 * Finds out whether there is something to migrate. Changes nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const check = (address: PostgresAddress): Effect.Effect<State, CredentialStoreError> =>
  withConnection(
    address,
    "Read",
    (connection) => Effect.map(foundIn(connection), (found) => ({ location: address.location, found, wanted: VERSION }))
  )

/**
 * Brings the tables to this version, or to the last one of the migrations that are named, and grants the application what it
 * needs. `found` is what was there before. Tables of a later version are left alone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const migrate = (
  address: PostgresAddress,
  migrations: ReadonlyArray<Migration> = all
): Effect.Effect<State, CredentialStoreError> =>
  withConnection(address, "Write", (connection) =>
    Effect.gen(function*() {
      const wanted = Math.max(...migrations.map(({ version }) => version))
      // A lock of the session, held across the look: what was found is still so when it is changed.
      yield* connection.query(`select pg_advisory_lock(${LOCK})`, [], 60_000)
      const found = yield* foundIn(connection)
      if (found > wanted) return yield* new PostgresFailure({ kind: "Refused", code: "newer" })
      // Several statements in one text are one transaction.
      yield* connection.query(statements(migrations.filter(({ version }) => version > found)), [], 600_000)
      return { location: address.location, found, wanted }
    }))
