/**
 * Who holds a tenant: a row that names the presence of the holder, and how often it was taken.
 *
 * Taking is one statement, so no transaction is left open while a provider thinks, and it works through any pooler. The
 * count of takings, the *epoch*, fences the holder: what it writes of the tenant names its epoch, and is refused once
 * another process took it.
 *
 * Rejected: advisory locks per tenant, which nothing fences and which a pooler hands to two clients at once; a row that
 * is locked across the request, which pins a connection per redemption; a lease that only time ends, which overtakes a
 * holder that is frozen while its request is on the way.
 *
 * @since 0.1.0
 */
import type { Taken } from "@lockstep/core/Custody"
import { LockHolder } from "@lockstep/core/Errors"
import { isNeighbour, ProcessIdentity } from "@lockstep/core/Host"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Row } from "./internal/connection.js"
import { PostgresFailure } from "./PostgresFailure.js"
import type { PostgresSession } from "./PostgresSession.js"

/**
 * How long a holder keeps a tenant.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** A living holder that has announced no request is overtaken after this. 30 s, more than the longest legal hold. */
  readonly lease: Duration.Duration
  /** A living holder that has announced one is overtaken so much later. 5 min. */
  readonly stranded: Duration.Duration
  /** An intent whose acknowledgement took longer is taken back, and nothing is sent. 2 s. */
  readonly prompt: Duration.Duration
}

/**
 * The bounds that are used where nothing else is said.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaults: Limits = {
  lease: Duration.seconds(30),
  stranded: Duration.minutes(5),
  prompt: Duration.seconds(2)
}

/**
 * A tenant that was taken.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  readonly tenantId: string
  readonly epoch: string
  readonly taken: Taken
  /** In whose name. */
  readonly presence: string
  /** Milliseconds on the server's clock. */
  readonly since: number
}

/**
 * What a look at a tenant tells those that wait for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Look {
  /** Whether there is a row at all. */
  readonly isKnown: boolean
  readonly mayBeTaken: boolean
  readonly epoch: string
  readonly generation: number
  /** The first place in the line of those that wait, where this look has got it. */
  readonly place: Option.Option<Place>
}

/**
 * The first place in a line. It guards nothing: who has it looks after the holder, and the others leave that to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  /** Whether its session lives, with which it is lost. */
  readonly isKept: () => boolean
  readonly leave: Effect.Effect<void>
}

/**
 * Taking and looking.
 *
 * @since 0.1.0
 * @category models
 */
export interface Leases {
  /** Makes the row of a tenant, where there is none. */
  readonly create: (name: string) => Effect.Effect<void, PostgresFailure>
  /** Looks without a write, and takes the first place in the line of those that wait, if that is asked and no other has it. */
  readonly look: (
    name: string,
    options?: { readonly takesPlace: boolean }
  ) => Effect.Effect<Look, PostgresFailure>
  /** Takes a tenant, if it may be taken now. */
  readonly take: (name: string) => Effect.Effect<Option.Option<Lease>, PostgresFailure>
  readonly holder: (name: string) => Effect.Effect<Option.Option<LockHolder>, PostgresFailure>
}

// A session never conflicts with itself: what this one holds is told by the row and not by the lock.
const HOW = `
case when holder is null then 'free' when holder = $3 then null
  when pg_try_advisory_xact_lock_shared(holder) then 'lost'
  when until < clock_timestamp() and intent is distinct from 'sending' then 'overdue'
  when until + make_interval(secs => $4) < clock_timestamp() then 'stranded' end`

/** Advisory locks of two numbers are apart from those of one, which presences are. Tenants that share a number share a line. */
const LINE = 1_819_045_733

const LOOK = `
select epoch, generation, ${HOW} as how, pg_backend_pid() as backend, extract(epoch from clock_timestamp()) * 1000 as now,
  hashint8(id) as line, case when $5 and holder is not null then pg_try_advisory_lock(${LINE}, hashint8(id)) end as first
from lockstep.tenant where namespace = $1 and name = $2`

const LEAVE = `select pg_advisory_unlock(${LINE}, $1::integer)`

const CREATE = "insert into lockstep.tenant (namespace, name) values ($1, $2) on conflict (namespace, name) do nothing"

const TAKE = `
with prior as materialized (
  select id, holder, until, intent from lockstep.tenant where namespace = $1 and name = $2 for update
), took as materialized (select *, ${HOW} as how from prior)
update lockstep.tenant t set epoch = t.epoch + 1, holder = $3, acquired_at = clock_timestamp(),
  until = clock_timestamp() + make_interval(secs => $5)
from took left join lockstep.session s on s.presence = took.holder
where t.id = took.id and took.how is not null and pg_backend_pid() = $6
returning t.id, t.epoch, t.generation, took.how, extract(epoch from clock_timestamp()) * 1000 as now,
  s.machine, s.pid, s.pid_ns, s.start_time, s.boot_id, s.command`

const HOLDER = `
select s.host, s.pid, s.command, extract(epoch from t.acquired_at) * 1000 as acquired
from lockstep.tenant t join lockstep.session s on s.presence = t.holder
where t.namespace = $1 and t.name = $2`

const text = (row: Row, name: string): Option.Option<string> =>
  typeof row[name] === "string" ? Option.some(row[name]) : Option.none()

const identityOf = (row: Row): Option.Option<ProcessIdentity> =>
  typeof row["pid"] === "number"
    ? Option.some(ProcessIdentity.make({
      pid: row["pid"],
      startTime: Option.getOrElse(text(row, "start_time"), () => ""),
      bootId: Option.getOrElse(text(row, "boot_id"), () => ""),
      host: text(row, "machine"),
      pidNamespace: text(row, "pid_ns"),
      command: Option.getOrElse(text(row, "command"), () => "")
    }))
    : Option.none()

/**
 * Whether the death of a process is proven: it ran where this one can look for it, and is not there. Two machines that
 * were made of one image may have one id, and the boot id is the same in all pid namespaces of a host: all of them have to
 * agree, and what a record does not tell proves nothing.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isProvenDead = (self: ProcessIdentity, that: ProcessIdentity): Effect.Effect<boolean> =>
  Option.isSome(that.host) && Option.isSome(that.pidNamespace) && Option.isSome(self.host) &&
    Option.isSome(self.pidNamespace) && isNeighbour(self, that)
    ? Effect.map(NodeHost.liveness(that), (liveness) => liveness === "dead")
    : Effect.succeed(false)

/**
 * The leases of a namespace.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  session: PostgresSession["Type"],
  self: ProcessIdentity,
  namespace: string,
  limits: Limits
): Leases => ({
  create: (name) => Effect.asVoid(session.query(CREATE, [namespace, name])),
  look: (name, { takesPlace } = { takesPlace: false }) =>
    Effect.flatMap(session.presence, (present) =>
      Effect.flatMap(
        present.query(LOOK, [namespace, name, present.id, Duration.toSeconds(limits.stranded), takesPlace]),
        ({ rows: [row] }) => {
          // A pooler that hands sessions on after all: what is asked here is not asked where the presence is.
          if (row !== undefined && row["backend"] !== present.backend) {
            return new PostgresFailure({ kind: "Refused", code: "pooler" })
          }
          if (row !== undefined) session.heardTime(Number(row["now"]))
          return Effect.succeed({
            isKnown: row !== undefined,
            mayBeTaken: row === undefined || row["how"] !== null,
            epoch: String(row?.["epoch"] ?? 0),
            generation: Number(row?.["generation"] ?? 0),
            place: row?.["first"] === true
              ? Option.some({ isKept: present.isLive, leave: Effect.ignore(present.query(LEAVE, [row["line"]])) })
              : Option.none()
          })
        }
      )),
  take: (name) =>
    Effect.gen(function*() {
      const present = yield* session.presence
      const { rows: [row] } = yield* present.query(TAKE, [
        namespace,
        name,
        present.id,
        Duration.toSeconds(limits.stranded),
        Duration.toSeconds(limits.lease),
        present.backend
      ])
      if (row === undefined) return Option.none()
      session.heardTime(Number(row["now"]))
      const how = String(row["how"]) as Exclude<Taken, "dead">
      const before = how === "lost" ? identityOf(row) : Option.none()
      const isDead = Option.isSome(before) && (yield* isProvenDead(self, before.value))
      return Option.some({
        tenantId: String(row["id"]),
        epoch: String(row["epoch"]),
        taken: isDead ? "dead" : how,
        presence: present.id,
        since: Number(row["now"])
      })
    }),
  holder: (name) =>
    Effect.map(
      session.query(HOLDER, [namespace, name]),
      ({ rows: [row] }) =>
        row === undefined ? Option.none() : Option.some(LockHolder.make({
          pid: Number(row["pid"]),
          host: text(row, "host"),
          command: text(row, "command"),
          startedAt: Option.none(),
          stopped: false
        }))
    )
})
