/**
 * The session of a process: one direct connection, on which it is present, listens and does everything.
 *
 * Its *presence* is an advisory lock on a number that no other session ever had. Tenants are held in the name of that
 * number, so the server itself tells when a holder is gone: the lock of a session dies with it. A number is never used
 * again: a look at a lost presence must not keep a new session out.
 *
 * A session that is lost is replaced, and the leases of this process are put in the name of the new one, but for those
 * that were overtaken meanwhile: these do not match any more.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import * as Metrics from "@lockstep/core/Metrics"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Crypto from "node:crypto"
import * as Os from "node:os"
import * as Connect from "./internal/connect.js"
import type { Answer, Connection } from "./internal/connection.js"
import * as Migrations from "./Migrations.js"
import type { PostgresAddress } from "./PostgresAddress.js"
import { PostgresFailure } from "./PostgresFailure.js"
import * as PostgresSignals from "./PostgresSignals.js"

/**
 * A connection with its presence.
 *
 * @since 0.1.0
 * @category models
 */
export interface Presence {
  /** The number of the advisory lock, as the server writes it. */
  readonly id: string
  /** The id of the fleet that the database belongs to. */
  readonly fleet: string
  /** The process of the server that keeps it. A pooler may answer through another one. */
  readonly backend: number
  readonly isLive: () => boolean
  readonly query: Connection["query"]
}

/**
 * The session.
 *
 * @since 0.1.0
 * @category services
 */
export class PostgresSession extends Context.Tag("@lockstep/postgres/PostgresSession")<PostgresSession, {
  /** What messages call the database. */
  readonly location: string
  /** Separates teams that share a database: two namespaces have no tenant in common. */
  readonly namespace: string

  /** The present connection, which is made where there is none. */
  readonly presence: Effect.Effect<Presence, PostgresFailure>

  /** Asks on the present connection. */
  readonly query: (text: string, values?: ReadonlyArray<unknown>) => Effect.Effect<Answer, PostgresFailure>

  readonly signals: PostgresSignals.PostgresSignals

  /** How old what was read may get, in milliseconds: a minute while the session listens, two seconds else. */
  readonly freshFor: () => number

  /** Says to all processes that a tenant changed or was released. What is said within a few milliseconds goes as one. */
  readonly announce: (key: PostgresSignals.Key, generation: number, released: boolean) => void

  /** Notes that a lease is held, until `returned`; `returned` gives it back now, or as soon as there is a session. */
  readonly held: (tenantId: string, epoch: string) => void
  readonly returned: (tenantId: string, epoch: string, key: PostgresSignals.Key) => Effect.Effect<void>

  /** How often a session began: after the first, something may have been missed. */
  readonly count: () => number

  /** The server's clock, in milliseconds since the epoch; this machine's until the server was heard of. */
  readonly now: () => number
  /** Notes what the server's clock says now. */
  readonly heardTime: (millis: number) => void
}>() {}

/**
 * What a session may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly address: PostgresAddress
  /** Empty where nothing is said. */
  readonly namespace?: string
  /** The fleet that this host is known to belong to; asked before every connection is used. */
  readonly expected?: Effect.Effect<Option.Option<string>>
}

const FRESH_LISTENING = 60_000
const FRESH_DEAF = 2_000

/** Milliseconds in which what is to be said is gathered, and bytes that fit into one notification. */
const GATHER = 5
const PAYLOAD_LIMIT = 7_900

/** How many further clients a pooler is asked to serve before it is believed to keep a session for each. */
const PROBES = 3

const RECONNECT_FIRST = 100
const RECONNECT_LAST = 2_000

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

/** Listeners are told at once; nothing of it has to outlive a crash. */
const SAY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"

const RETURN = `
update lockstep.tenant set holder = null, until = null where id = $1 and epoch = $2
returning generation, extract(epoch from clock_timestamp()) * 1000 as now`

const newPresence = (): string => BigInt.asIntN(64, Crypto.randomBytes(8).readBigInt64BE()).toString()

interface Found {
  readonly fleet: string
  readonly backend: number
}

interface Live extends Presence {
  readonly connection: Connection
}

/**
 * Makes a session. It connects when something is asked, and again whenever it is lost after that.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { address, expected = Effect.succeedNone, namespace = "" }: Options
): Effect.Effect<PostgresSession["Type"], never, Host | Scope.Scope> =>
  Effect.gen(function*() {
    const { self } = yield* Host
    const signals = PostgresSignals.make()
    const leases = new Set<string>()
    const toSay = new Map<string, string>()
    let live: Live | undefined
    let connecting: Promise<Exit.Exit<Live, PostgresFailure>> | undefined
    let wantsSession = false
    let closed = false
    let fleet: string | undefined
    let lastPresence: string | undefined
    let clock: { readonly server: number; readonly at: number } | undefined
    let sayLater: NodeJS.Timeout | undefined
    let retry: NodeJS.Timeout | undefined
    let retryIn = RECONNECT_FIRST
    let sessions = 0

    const heardTime = (millis: number): void => {
      clock = { server: millis, at: performance.now() }
    }

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
        heardTime(Number(row["now"]))
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
            const other = yield* Effect.acquireRelease(Connect.toPrimary(address), ({ close }) => close)
            const { rows: [theirs] } = yield* other.query("select pg_backend_pid() as pid")
            const { rows: [ours] } = yield* connection.query("select pg_backend_pid() as pid")
            if (theirs?.["pid"] === backend || ours?.["pid"] !== backend) {
              return yield* new PostgresFailure({ kind: "Refused", code: "pooler" })
            }
          }
        }))

    const enter = (connection: Connection): Effect.Effect<Live, PostgresFailure> =>
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
        yield* connection.query(`listen "${channelOf(found)}"`)
        if (lastPresence === undefined) yield* connection.query(SWEEP)
        else yield* connection.query(CARRY_OVER, [lastPresence, id, [...leases]])
        lastPresence = id
        return {
          id,
          fleet: found,
          backend,
          connection,
          isLive: connection.isOpen,
          query: connection.query
        } satisfies Live
      }).pipe(Effect.tapError(() => Effect.sync(connection.cut)))

    const hear = (payload: string): void => {
      for (const word of payload.split(",")) {
        const match = /^([0-9a-f]{16}):(\d+)(!?)$/.exec(word)
        if (match !== null) signals.heard(match[1]!, Number(match[2]), match[3] === "!")
      }
    }

    const lose = (lost: Live): void => {
      if (live === lost) live = undefined
      if (!closed) Metrics.unsafeSessionLost()
      signals.missed()
      reconnectLater()
    }

    const reconnectLater = (): void => {
      if (closed || !wantsSession || retry !== undefined) return
      retry = setTimeout(() => {
        retry = undefined
        retryIn = Math.min(retryIn * 2, RECONNECT_LAST)
        void connectOnce().then((exit) => Exit.isFailure(exit) ? reconnectLater() : undefined)
      }, retryIn * (0.5 + Math.random() / 2))
      // It keeps no process alive that has nothing else to do.
      retry.unref()
    }

    const connect = Effect.flatMap(Connect.toPrimary(address), (connection) => {
      connection.onNotice(hear)
      return enter(connection)
    })

    /** One attempt at a time, which belongs to the session and to no caller. */
    const connectOnce = (): Promise<Exit.Exit<Live, PostgresFailure>> => {
      // A caller may have been faster than the timer: a second session would take the leases away from the first.
      if (live !== undefined && live.isLive()) return Promise.resolve(Exit.succeed(live))
      return connecting ??= Effect.runPromise(Effect.exit(connect)).then((exit) => {
        connecting = undefined
        if (Exit.isSuccess(exit)) {
          const made = exit.value
          live = made
          sessions += 1
          retryIn = RECONNECT_FIRST
          made.connection.onEnd(() => lose(made))
          if (closed || !made.isLive()) made.connection.cut()
          // What was said before this session listened was said to others.
          signals.missed()
        }
        return exit
      })
    }

    const presence: Effect.Effect<Live, PostgresFailure> = Effect.suspend(() => {
      if (closed) return new PostgresFailure({ kind: "Unreachable", code: "closed" })
      if (live !== undefined && live.isLive()) return Effect.succeed(live)
      wantsSession = true
      return Effect.flatMap(Effect.promise(connectOnce), (exit) => {
        if (Exit.isFailure(exit)) reconnectLater()
        return exit
      })
    })

    const query = (text: string, values?: ReadonlyArray<unknown>) =>
      Effect.flatMap(presence, (present) => present.query(text, values))

    const say = Effect.suspend(() => {
      sayLater = undefined
      const words = [...toSay.values()]
      toSay.clear()
      const texts: Array<string> = []
      for (const word of words) {
        const last = texts.length - 1
        if (last >= 0 && texts[last]!.length + word.length + 1 <= PAYLOAD_LIMIT) texts[last] += `,${word}`
        else texts.push(word)
      }
      // A word that is lost costs its hearers one look.
      return live === undefined
        ? Effect.void
        : Effect.forEach(texts, (text) => Effect.ignore(live!.query(SAY, [channelOf(live!.fleet), text])), {
          discard: true
        })
    })

    const announce = (key: PostgresSignals.Key, generation: number, released: boolean): void => {
      signals.heard(key, generation, released)
      const word = `${key}:${generation}${released || toSay.get(key)?.endsWith("!") === true ? "!" : ""}`
      toSay.set(key, word)
      sayLater ??= setTimeout(() => Effect.runFork(say), GATHER)
    }

    const giveBack = (tenantId: string, epoch: string, key: PostgresSignals.Key) =>
      Effect.suspend(() => {
        leases.delete(`${tenantId}:${epoch}`)
        // Without a session nothing is given back now: the next one does, or the lease runs out.
        return live === undefined ? Effect.succeedNone : Effect.asSome(live.query(RETURN, [tenantId, epoch]))
      }).pipe(
        Effect.map(Option.flatMap(({ rows }) => Option.fromNullable(rows[0]))),
        Effect.map(Option.map((row) => announce(key, Number(row["generation"]), true))),
        Effect.ignore
      )

    yield* Effect.addFinalizer(() =>
      Effect.gen(function*() {
        if (sayLater !== undefined) {
          clearTimeout(sayLater)
          yield* say
        }
        closed = true
        clearTimeout(retry)
        if (connecting !== undefined) yield* Effect.promise(() => connecting!)
        if (live === undefined) return
        yield* Effect.ignore(live.query("delete from lockstep.session where presence = $1", [live.id], 2_000))
        yield* live.connection.close
      })
    )

    return PostgresSession.of({
      location: address.location,
      namespace,
      presence,
      query,
      signals,
      freshFor: () => live !== undefined && live.isLive() ? FRESH_LISTENING : FRESH_DEAF,
      announce,
      held: (tenantId, epoch) => void leases.add(`${tenantId}:${epoch}`),
      returned: giveBack,
      count: () => sessions,
      now: () => clock === undefined ? Date.now() : clock.server + performance.now() - clock.at,
      heardTime
    })
  })

/** One channel for each fleet of a server. */
const channelOf = (fleet: string): string => `lockstep_${fleet.replaceAll("-", "")}`

/**
 * A session of an address.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<PostgresSession, never, Host> =>
  Layer.scoped(PostgresSession, make(options))

/**
 * A session of the address that the environment names.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOf = (
  address: Effect.Effect<PostgresAddress, CredentialStoreError>,
  namespace?: string
): Layer.Layer<PostgresSession, CredentialStoreError, Host> =>
  Layer.scoped(
    PostgresSession,
    Effect.flatMap(address, (one) => make({ address: one, ...(namespace === undefined ? {} : { namespace }) }))
  )
