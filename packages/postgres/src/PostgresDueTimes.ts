/**
 * Due times as rows that all hosts claim from: what one sweep has locked the others skip.
 *
 * A claim reads as many rows as it takes, whatever the number of tenants: the index is walked from one issuer to the next,
 * and in each from what is due first. Nothing of it outlives a crash of the server by promise: a due time is a hint.
 *
 * @since 0.1.0
 */
import { Version } from "@lockstep/core/Credential"
import * as DueTimes from "@lockstep/core/DueTimes"
import * as TenantId from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Row } from "./internal/connection.js"
import { type PostgresFailure, toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

/** Microseconds, as the server keeps them: names a claim exactly. */
const TICKET = "(extract(epoch from s.due_at) * 1000000)::bigint::text"

/** The issuers of a namespace, each found by one step through the index, but for those that are left out. */
const ISSUERS = `
recursive names as (
  (select issuer from lockstep.schedule where namespace = $1 order by issuer limit 1)
  union all
  select (select s.issuer from lockstep.schedule s where s.namespace = $1 and s.issuer > n.issuer order by s.issuer limit 1)
  from names n where n.issuer is not null
), issuers as materialized (select issuer from names where issuer is not null and issuer <> all($2))`

/** `now()`, which stands still while a statement runs, and so may bound a walk through the index. */
const CLAIM = `
with ${ISSUERS}, due as materialized (
  select d.tenant_id, d.due_at from issuers i cross join lateral (
    select s.tenant_id, s.due_at from lockstep.schedule s
    where s.namespace = $1 and s.issuer = i.issuer and s.due_at <= now()
    order by s.due_at limit $3 for update skip locked
  ) d order by d.due_at limit $3
)
update lockstep.schedule s set due_at = now() + make_interval(secs => $4)
from due, lockstep.tenant t, (select set_config('synchronous_commit', 'off', true) as set) quick
where s.tenant_id = due.tenant_id and t.id = s.tenant_id and quick.set is not null
returning t.name, s.issuer, s.version, s.keep, s.is_over, ${TICKET} as ticket,
  extract(epoch from due.due_at)::float8 * 1000 as due_at, extract(epoch from s.used_at)::float8 * 1000 as used_at,
  extract(epoch from now())::float8 * 1000 as now`

const NEXT = `
with ${ISSUERS}
select extract(epoch from min(d.due_at))::float8 * 1000 as next, extract(epoch from clock_timestamp())::float8 * 1000 as now
from issuers i cross join lateral (
  select s.due_at from lockstep.schedule s where s.namespace = $1 and s.issuer = i.issuer order by s.due_at limit 1
) d`

const SETTLE = `
update lockstep.schedule s set due_at = to_timestamp(v.due / 1000), issuer = v.issuer, version = v.version,
  keep = v.keep, is_over = v.is_over
from unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::bigint[], $7::text[], $8::boolean[])
    as v(name, ticket, issuer, due, version, keep, is_over)
  join lockstep.tenant t on t.namespace = $1 and t.name = v.name,
  (select set_config('synchronous_commit', 'off', true) as set) quick
where s.tenant_id = t.id and ${TICKET} = v.ticket and quick.set is not null`

const FORGET = `
delete from lockstep.schedule s using lockstep.tenant t
where t.namespace = $1 and t.name = $2 and s.tenant_id = t.id
  and not exists (select from lockstep.credential c where c.tenant_id = t.id)`

/** Those that another statement has at the moment are noted by a later use: two that wait for each other would be worse. */
const USED = `
with mine as materialized (
  select s.tenant_id, s.keep from lockstep.tenant t join lockstep.schedule s on s.tenant_id = t.id
  where t.namespace = $1 and t.name = any($2) and (s.used_at is null or s.used_at < now() - make_interval(secs => $3))
  order by s.tenant_id for update of s skip locked
)
update lockstep.schedule s set used_at = now(),
  due_at = case when mine.keep = 'fresh' then s.due_at else least(s.due_at, now()) end,
  version = case when mine.keep = 'fresh' then s.version end
from mine, (select set_config('synchronous_commit', 'off', true) as set) quick
where s.tenant_id = mine.tenant_id and quick.set is not null`

/** Milliseconds in which uses are gathered. */
const GATHER = 5_000

const notedOf = (row: Row): Option.Option<DueTimes.Noted> =>
  row["version"] === null || row["version"] === undefined ? Option.none() : Option.some({
    version: Version(String(row["version"])),
    keep: (row["keep"] ?? "fresh") as DueTimes.Keep,
    isOver: row["is_over"] === true
  })

const claimOf = (row: Row): Option.Option<DueTimes.Claim> =>
  Option.map(Option.getRight(TenantId.fromString(String(row["name"]))), (tenant) => ({
    tenant,
    issuer: String(row["issuer"]),
    dueAt: Number(row["due_at"]),
    usedAt: row["used_at"] === null ? Option.none() : Option.some(Number(row["used_at"])),
    noted: notedOf(row),
    ticket: String(row["ticket"])
  }))

/**
 * The due time that is the earliest of a session's namespace, but for those of some issuers, and the server's clock. Both are
 * milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category getters
 */
export const next = (
  { namespace, query }: Pick<PostgresSession["Type"], "namespace" | "query">,
  except: ReadonlyArray<string> = []
): Effect.Effect<{ readonly dueAt: Option.Option<number>; readonly now: number }, PostgresFailure> =>
  Effect.map(query(NEXT, [namespace, except]), ({ rows: [row = {}] }) => ({
    dueAt: typeof row["next"] === "number" ? Option.some(row["next"]) : Option.none(),
    now: Number(row["now"])
  }))

/**
 * The due times of a session. What is noted as used is written within seconds, and at the latest when the scope ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<DueTimes.DueTimes["Type"], never, PostgresSession | Scope.Scope> = Effect.gen(
  function*() {
    const session = yield* PostgresSession
    const scope = yield* Effect.scope
    const { location, namespace } = session
    const ask = (text: string, values: ReadonlyArray<unknown>) =>
      Effect.mapError(session.query(text, values), toStoreError(location, "Write"))

    /** When each tenant was last noted by this process. */
    const noted = new Map<TenantId.TenantId, number>()
    let toNote: Array<TenantId.TenantId> = []
    const note = Effect.suspend(() => {
      const tenants = toNote
      toNote = []
      return tenants.length === 0
        ? Effect.void
        : Effect.ignore(session.query(USED, [namespace, tenants, DueTimes.USE / 1_000]))
    })
    yield* Effect.addFinalizer(() => note)

    return DueTimes.DueTimes.of({
      now: Effect.sync(session.now),
      claim: ({ except, limit }) =>
        Effect.gen(function*() {
          const { rows } = yield* ask(CLAIM, [namespace, except, limit, DueTimes.CLAIM / 1_000])
          if (rows[0] !== undefined) session.heardTime(Number(rows[0]["now"]))
          const claims = rows.flatMap((row) => Option.toArray(claimOf(row))).sort((a, b) => a.dueAt - b.dueAt)
          if (rows.length === limit) return { claims, nextAt: Option.none() }
          const { dueAt, now } = yield* Effect.mapError(next(session, except), toStoreError(location, "Read"))
          session.heardTime(now)
          return { claims, nextAt: dueAt }
        }),
      settle: (settlements) => {
        const notes = settlements.map(({ noted }) => Option.getOrUndefined(noted))
        return Effect.asVoid(ask(SETTLE, [
          namespace,
          settlements.map(({ tenant }) => tenant),
          settlements.map(({ ticket }) => ticket),
          settlements.map(({ issuer }) => issuer),
          settlements.map(({ dueAt }) => dueAt),
          notes.map((one) => one?.version ?? null),
          notes.map((one) => one?.keep ?? null),
          notes.map((one) => one?.isOver ?? false)
        ]))
      },
      forget: (tenant) => Effect.asVoid(ask(FORGET, [namespace, tenant])),
      // A trigger enrols what is stored, whatever the version of the process that stores it.
      enrol: Effect.void,
      used: (tenant) =>
        Effect.suspend(() => {
          const now = session.now()
          if (now - (noted.get(tenant) ?? -Infinity) < DueTimes.USE) return Effect.void
          noted.set(tenant, now)
          toNote.push(tenant)
          return toNote.length === 1 ? Effect.asVoid(Effect.forkIn(Effect.delay(note, GATHER), scope)) : Effect.void
        })
    })
  }
)

/**
 * The due times of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<DueTimes.DueTimes, never, PostgresSession> = Layer.scoped(DueTimes.DueTimes, make)
