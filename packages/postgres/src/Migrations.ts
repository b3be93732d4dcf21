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
import type * as Scope from "effect/Scope"
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
 * All of them, in their order.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Migration> = [{ version: 1, step: "contract", sql: FIRST }]

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
  end if;
end
$lockstep$;
`

/** Any number, the same for all that migrate. */
const LOCK = 4_919_337_206_155_227_341n

const statements = (pending: ReadonlyArray<Migration>): string =>
  [
    `select pg_advisory_xact_lock(${LOCK});`,
    "create schema if not exists lockstep;",
    ...pending.map(({ sql, step, version }) =>
      `${sql.trim()}\nupdate lockstep.fleet set schema = ${version}${
        step === "contract" ? `, readers_from = ${version}` : ""
      };`
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
    Effect.acquireRelease(Connect.toPrimary(address), ({ close }) => close) as Effect.Effect<
      Connection,
      PostgresFailure,
      Scope.Scope
    >,
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
 * Brings the tables to this version, and grants the application what it needs. `found` is what was there before. Tables of
 * a later version are left alone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const migrate = (address: PostgresAddress): Effect.Effect<State, CredentialStoreError> =>
  withConnection(address, "Write", (connection) =>
    Effect.gen(function*() {
      // A lock of the session, held across the look: what was found is still so when it is changed.
      yield* connection.query(`select pg_advisory_lock(${LOCK})`, [], 60_000)
      const found = yield* foundIn(connection)
      if (found > VERSION) return yield* new PostgresFailure({ kind: "Refused", code: "newer" })
      // Several statements in one text are one transaction.
      yield* connection.query(statements(all.filter(({ version }) => version > found)), [], 600_000)
      return { location: address.location, found, wanted: VERSION }
    }))
