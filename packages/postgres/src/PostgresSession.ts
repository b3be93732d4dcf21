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
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Answer, Connection } from "./internal/connection.js"
import * as Entry from "./internal/entry.js"
import * as Notices from "./internal/notices.js"
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

const RECONNECT_FIRST = 100
const RECONNECT_LAST = 2_000

/**
 * Milliseconds for what is said at the end. It is a courtesy: what a session holds goes with it, said or not, and a server
 * that does not answer must not keep a process that was told to end.
 */
const PARTING = 1_000

const RETURN = `
update lockstep.tenant set holder = null, until = null where id = $1 and epoch = $2
returning generation, extract(epoch from clock_timestamp()) * 1000 as now`

const CLOSED = new PostgresFailure({ kind: "Unreachable", code: "closed" })

interface Live extends Presence {
  readonly connection: Connection
}

/** Leaves it to itself after that, and never cuts it off: also where nothing can be interrupted, as at the end of a scope. */
const withinParting = (effect: Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.uninterruptible(effect).pipe(
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeoutOption(PARTING),
    Effect.asVoid
  )

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
    let live: Live | undefined
    let connecting: Promise<Exit.Exit<Live, PostgresFailure>> | undefined
    let attempt: Fiber.RuntimeFiber<Live, PostgresFailure> | undefined
    let wantsSession = false
    let closed = false
    let clock: { readonly server: number; readonly at: number } | undefined
    let retry: NodeJS.Timeout | undefined
    let retryIn = RECONNECT_FIRST
    let sessions = 0

    const notices = Notices.make(() => live)

    const heardTime = (millis: number): void => {
      clock = { server: millis, at: performance.now() }
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

    const connect = Effect.map(
      Entry.make({
        address,
        expected,
        self,
        leases,
        onTime: heardTime,
        onNotice: (payload) => Notices.read(payload, signals.heard)
      }),
      (entered): Live => ({ ...entered, isLive: entered.connection.isOpen, query: entered.connection.query })
    )

    /** One attempt at a time, which belongs to the session and to no caller. */
    const connectOnce = (): Promise<Exit.Exit<Live, PostgresFailure>> => {
      // A caller may have been faster than the timer: a second session would take the leases away from the first.
      if (live !== undefined && live.isLive()) return Promise.resolve(Exit.succeed(live))
      return connecting ??= Effect.runPromise(Fiber.await(attempt = Effect.runFork(connect))).then((exit) => {
        connecting = undefined
        attempt = undefined
        if (Exit.isInterrupted(exit)) return Exit.fail(CLOSED)
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
      if (closed) return CLOSED
      if (live !== undefined && live.isLive()) return Effect.succeed(live)
      wantsSession = true
      return Effect.flatMap(Effect.promise(connectOnce), (exit) => {
        if (Exit.isFailure(exit)) reconnectLater()
        return exit
      })
    })

    const query = (text: string, values?: ReadonlyArray<unknown>) =>
      Effect.flatMap(presence, (present) => present.query(text, values))

    const announce = (key: PostgresSignals.Key, generation: number, released: boolean): void => {
      signals.heard(key, generation, released)
      notices.add(key, generation, released)
    }

    const giveBack = (tenantId: string, epoch: string, key: PostgresSignals.Key) =>
      Effect.suspend(() => {
        leases.delete(`${tenantId}:${epoch}`)
        // Without a session nothing is given back now: the next one does, or the lease runs out.
        if (live === undefined) return Effect.void
        return withinParting(Effect.ignore(
          Effect.map(live.query(RETURN, [tenantId, epoch]), ({ rows: [row] }) => {
            if (row !== undefined) announce(key, Number(row["generation"]), true)
          })
        ))
      })

    const part = ({ connection, id }: Live) =>
      notices.say.pipe(
        Effect.zipRight(Effect.ignore(connection.query("delete from lockstep.session where presence = $1", [id]))),
        Effect.zipRight(connection.close)
      )

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        closed = true
        clearTimeout(retry)
        if (attempt !== undefined) return Effect.asVoid(Fiber.interrupt(attempt))
        const last = live
        return last === undefined ? Effect.void : Effect.zipRight(
          withinParting(part(last)),
          Effect.sync(last.connection.cut)
        )
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
