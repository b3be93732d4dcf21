/**
 * Ends the session of a process that holds what others need, and cannot be reached in another way: it is stopped, or its host
 * is gone and the server has not noticed yet.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Row } from "./internal/connection.js"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

/**
 * A session and what it holds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** Sixteen hexadecimal digits, as the view of the fleet shows them. */
  readonly id: string
  readonly host: string
  readonly pid: number
  readonly command: string
  /** Tenants that it holds, and those of them for which it has sent a request whose answer is not written. */
  readonly holds: ReadonlyArray<string>
  readonly sending: ReadonlyArray<string>
}

/**
 * What came of it.
 *
 * @since 0.1.0
 * @category models
 */
export type Eviction = Data.TaggedEnum<{
  Evicted: { readonly target: Target }
  /** It had ended already. */
  Gone: { readonly target: Target }
  /** No session has this id, or several begin like it. */
  Unknown: { readonly ids: ReadonlyArray<string> }
  /** It is the session that asks. */
  Own: {}
  /** It has sent a request: the next process may have to send the token a second time. */
  Sending: { readonly target: Target }
}>

/**
 * Constructors of {@link Eviction}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Eviction = Data.taggedEnum<Eviction>()

const FIND = `
select s.presence::text as presence, lpad(to_hex(s.presence), 16, '0') as id, s.host, s.pid, s.command,
  (select coalesce(array_agg(t.name order by t.name), '{}') from lockstep.tenant t where t.holder = s.presence) as holds,
  (select coalesce(array_agg(t.name order by t.name), '{}') from lockstep.tenant t
    where t.holder = s.presence and t.intent = 'sending') as sending
from lockstep.session s where lpad(to_hex(s.presence), 16, '0') like $1 || '%' order by 2 limit 20`

/** By its lock: the number of a backend may be another client's by now. */
const END = `
select pg_terminate_backend(l.pid, 5000) as ended from pg_locks l
where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
  and (l.classid::bigint << 32 | l.objid::bigint) = $1::bigint`

const targetOf = (row: Row): Target => ({
  id: String(row["id"]),
  host: String(row["host"]),
  pid: Number(row["pid"]),
  command: String(row["command"]),
  holds: row["holds"] as ReadonlyArray<string>,
  sending: row["sending"] as ReadonlyArray<string>
})

/** The fewest digits that name a session. */
const DIGITS = /^[0-9a-f]{4,16}$/

/**
 * Ends the session whose id begins with these digits. A living process begins another one at once, under which it holds what no
 * other process has taken meanwhile.
 *
 * @since 0.1.0
 * @category combinators
 */
export const evict = (
  digits: string,
  options: { readonly force: boolean }
): Effect.Effect<Eviction, CredentialStoreError, PostgresSession> =>
  Effect.gen(function*() {
    const session = yield* PostgresSession
    const toError = toStoreError(session.location, "Write")
    const present = yield* Effect.mapError(session.presence, toError)
    if (!DIGITS.test(digits)) return Eviction.Unknown({ ids: [] })
    const { rows } = yield* Effect.mapError(present.query(FIND, [digits]), toError)
    const [row] = rows
    if (row === undefined || rows.length > 1) return Eviction.Unknown({ ids: rows.map(({ id }) => String(id)) })
    if (row["presence"] === present.id) return Eviction.Own()
    const target = targetOf(row)
    if (target.sending.length > 0 && !options.force) return Eviction.Sending({ target })
    const { rows: [ended] } = yield* Effect.mapError(
      present.query(END, [row["presence"]]),
      (failure) =>
        failure.code === "42501"
          ? new CredentialStoreError({
            reason: "Write",
            location: session.location,
            detail: "this role may not end the sessions of another one (42501)",
            remedy: "use the role that the process connects with, or grant pg_signal_backend to this one"
          })
          : toError(failure)
    )
    return ended === undefined ? Eviction.Gone({ target }) : Eviction.Evicted({ target })
  })
