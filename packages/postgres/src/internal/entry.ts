/**
 * How a connection becomes a session: the database is judged, the connection is told its settings, and gets a presence and
 * an ear. What an earlier session of this process held goes over to it.
 */
import type { ProcessIdentity } from "@lockstep/core/Host"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"
import * as Os from "node:os"
import * as Migrations from "../Migrations.js"
import type { PostgresAddress } from "../PostgresAddress.js"
import { PostgresFailure } from "../PostgresFailure.js"
import * as Connect from "./connect.js"
import type { Answer, Connection } from "./connection.js"
import * as Notices from "./notices.js"

/** A connection that is a session. */
export interface Entered {
  /** The number of its presence. */
  readonly id: string
  readonly fleet: string
  readonly backend: number
  readonly connection: Connection
}

export interface Options {
  readonly address: PostgresAddress
  /** The fleet that this host is known to belong to. */
  readonly expected: Effect.Effect<Option.Option<string>>
  readonly self: ProcessIdentity
  /** What this process holds, as `id:epoch`: whatever else an earlier session held is given back. */
  readonly leases: ReadonlySet<string>
  /** Told what the server's clock says. */
  readonly onTime: (millis: number) => void
  /** Told what other sessions say. */
  readonly onNotice: (payload: string) => void
}

/** How many further clients a pooler is asked to serve before it is believed to keep a session for each. */
const PROBES = 3

/** A host that vanished without a word is noticed after 20 s, and its session ends. */
const SETTINGS = [
  "set statement_timeout = 0",
  "set lock_timeout = 0",
  "set idle_in_transaction_session_timeout = 0",
  "set client_min_messages = warning",
  "set default_transaction_isolation = 'read committed'",
  "set tcp_keepalives_idle = 10",
  "set tcp_keepalives_interval = 5",
  "set tcp_keepalives_count = 2",
  "set tcp_user_timeout = 20000"
].join("; ")

const LOOK = `
select pg_backend_pid() as pid, current_setting('synchronous_commit') as synchronous,
  extract(epoch from clock_timestamp()) * 1000 as now, f.id as fleet, f.schema, f.readers_from
from lockstep.fleet f`

const ENTER = `
insert into lockstep.session (presence, backend, host, machine, pid, pid_ns, start_time, boot_id, command, schema)
values ($1, pg_backend_pid(), $2, $3, $4, $5, $6, $7, $8, $9)`

/** Rows tell of a holder that is gone how it died, and are kept for a day, or for as long as a lease names one. */
const SWEEP = `
delete from lockstep.session s where since < clock_timestamp() - interval '1 day'
and pg_try_advisory_xact_lock_shared(presence)
and not exists (select from lockstep.tenant t where t.holder = s.presence)`

/** A release that did not get through is made up for: only what is still held goes over to the new presence. */
const CARRY_OVER = `
update lockstep.tenant t set
  holder = case when (t.id::text || ':' || t.epoch::text) = any($3) then $2::bigint end,
  until = case when (t.id::text || ':' || t.epoch::text) = any($3) then t.until end
where holder = $1`

const newPresence = (): string => BigInt.asIntN(64, Crypto.randomBytes(8).readBigInt64BE()).toString()

interface Found {
  readonly fleet: string
  readonly backend: number
}

/** Connects to the server that takes writes, and enters. Each time under a new number. Interrupted, it leaves nothing behind. */
export const make = (
  { address, expected, leases, onNotice, onTime, self }: Options
): Effect.Effect<Entered, PostgresFailure> => {
  let fleet: string | undefined
  let lastPresence: string | undefined

  const judge = ({ rows: [row] }: Answer): Effect.Effect<Found, PostgresFailure> =>
    Effect.flatMap(expected, (pinned) => {
      const refuse = (code: string) => new PostgresFailure({ kind: "Refused", code })
      if (row === undefined) return refuse("42P01")
      if (row["synchronous"] === "off" || row["synchronous"] === "local") return refuse("synchronous_commit")
      if (Number(row["readers_from"]) > Migrations.VERSION) return refuse("newer")
      if (Number(row["schema"]) < Migrations.VERSION) return refuse("older")
      const found = String(row["fleet"])
      // One authority: for as long as this process lives, another database is no copy of this one (I10).
      const own = fleet ?? Option.getOrUndefined(pinned)
      if (own !== undefined && own !== found) return refuse("other_fleet")
      fleet = found
      onTime(Number(row["now"]))
      return Effect.succeed({ fleet: found, backend: Number(row["pid"]) })
    })

  /**
   * A pooler makes up the process that it announces. One that keeps a session for each client is as good as none; one
   * that hands it on gives the process which was ours a moment ago to the next that asks.
   */
  const unshared = (connection: Connection, backend: number): Effect.Effect<void, PostgresFailure> =>
    connection.announcedPid() === backend
      ? Effect.void
      : Effect.scoped(Effect.gen(function*() {
        for (let probe = 0; probe < PROBES; probe++) {
          const other = yield* Effect.acquireRelease(Connect.toPrimary(address), ({ cut }) => Effect.sync(cut))
          const { rows: [theirs] } = yield* other.query("select pg_backend_pid() as pid")
          const { rows: [ours] } = yield* connection.query("select pg_backend_pid() as pid")
          if (theirs?.["pid"] === backend || ours?.["pid"] !== backend) {
            return yield* new PostgresFailure({ kind: "Refused", code: "pooler" })
          }
        }
      }))

  const enter = (connection: Connection): Effect.Effect<Entered, PostgresFailure> =>
    Effect.gen(function*() {
      yield* connection.query(SETTINGS)
      const { backend, fleet: found } = yield* Effect.flatMap(connection.query(LOOK), judge)
      yield* unshared(connection, backend)
      const id = newPresence()
      yield* connection.query("select pg_advisory_lock($1)", [id])
      yield* connection.query(ENTER, [
        id,
        Os.hostname(),
        Option.getOrNull(self.host),
        self.pid,
        Option.getOrNull(self.pidNamespace),
        self.startTime,
        self.bootId,
        self.command,
        Migrations.VERSION
      ])
      yield* connection.query(`listen "${Notices.channelOf(found)}"`)
      if (lastPresence === undefined) yield* connection.query(SWEEP)
      else yield* connection.query(CARRY_OVER, [lastPresence, id, [...leases]])
      lastPresence = id
      return { id, fleet: found, backend, connection }
    })

  return Effect.uninterruptible(Effect.flatMap(Connect.toPrimary(address), (connection) => {
    connection.onNotice(onNotice)
    return Effect.onError(Effect.interruptible(enter(connection)), () => Effect.sync(connection.cut))
  }))
}
