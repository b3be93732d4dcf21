/**
 * What reading and refreshing one tenant costs among many: databases of different sizes in one server, which take turns, since
 * the disk of a machine is faster at one moment than at another.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as PostgresHome from "@lockstep/postgres/PostgresHome"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as LockstepFleet from "@lockstep/testkit/fleet/LockstepFleet"
import type { PostgresServer } from "@lockstep/testkit/servers/PostgresServer"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import { progress } from "../Bench.js"
import * as Statistics from "../Statistics.js"

/**
 * One size of a table.
 *
 * @since 0.1.0
 * @category models
 */
export interface Size {
  readonly tenants: number
  /** Milliseconds of one read by its key. */
  readonly read: Statistics.Summary | undefined
  /** Milliseconds of one refresh without its provider, from the taking of the tenant to its release. */
  readonly refresh: Statistics.Summary | undefined
  /** Refreshes a second of one process that makes eight at one time. */
  readonly rate: number
}

/**
 * Opens a fleet in this process as a worker of such an environment does.
 *
 * @since 0.1.0
 * @category constructors
 */
export const observe = (env: Readonly<Record<string, string>>) =>
  Layer.build(
    PostgresHome.layerUnpinned().pipe(
      Layer.provide(RefreshPolicy.layerDefaults),
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(
        new Map(Object.entries(env)),
        { pathDelim: "_" }
      )))
    )
  )

/** Rows of other tenants, as large as those of the ones that are measured. */
const FILL = `
with made as (
  insert into lockstep.tenant (namespace, name, generation, journal, history)
  select '', 'filler-' || n, 1, t.journal, t.history
  from generate_series(1, $1::int) n, (select journal, history from lockstep.tenant where name = 'size-0') t
  returning id
)
insert into lockstep.credential (tenant_id, version, fingerprint, sealed, key_id)
select made.id, 1, c.fingerprint, c.sealed, c.key_id
from made, (select * from lockstep.credential c join lockstep.tenant t on t.id = c.tenant_id where t.name = 'size-0') c`

const REAL = Array.from({ length: 32 }, (_, index) => TenantId.make(`size-${index}`))

/** Milliseconds that a statement over the whole of a table may take. */
const PATIENCE = 600_000

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const began = performance.now()
    return Effect.map(effect, () => performance.now() - began)
  })

/** A database with so many tenants in it. */
const prepare = (server: PostgresServer, tenants: number) =>
  Effect.gen(function*() {
    yield* progress(`the fleet: ${tenants} tenants`)
    const database = `size_${tenants}`
    yield* server.ask(`create database ${database}`)
    const backend = yield* LockstepFleet.make(server.url(database)).start
    const observed = yield* observe(backend.env(join(server.directory, database), server.port))
    const custody = Context.get(observed, Custody)
    const store = Context.get(observed, CredentialStore)
    let generation = 1
    const refresh = (tenant: TenantId.TenantId) =>
      Effect.suspend(() => Custodies.redeem(custody, tenant, Credentials.credential(++generation)))
    for (const tenant of REAL) yield* Custodies.login(custody, tenant, Credentials.credential(1))
    const present = yield* Context.get(observed, PostgresSession).presence
    yield* present.query(FILL, [tenants], PATIENCE)
    yield* present.query("vacuum analyze", [], PATIENCE)
    yield* Effect.forEach(REAL, refresh)
    const times = { read: new Array<number>(), refresh: new Array<number>(), crowd: new Array<number>() }
    return {
      once: (tenant: TenantId.TenantId) =>
        Effect.gen(function*() {
          times.read.push(yield* timed(store.get(tenant)))
          times.refresh.push(yield* timed(refresh(tenant)))
        }),
      crowd: Effect.map(
        timed(Effect.forEach(REAL, refresh, { concurrency: 8 })),
        (took) => void times.crowd.push(took)
      ),
      size: (): Size => ({
        tenants,
        read: Statistics.summarise(times.read),
        refresh: Statistics.summarise(times.refresh),
        rate: REAL.length / Statistics.summarise(times.crowd)!.median * 1_000
      })
    }
  })

/** Crowds of each size. */
const CROWDS = 5

/**
 * Measures databases with so many tenants each.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = (server: PostgresServer, counts: ReadonlyArray<number>, rounds: number) =>
  Effect.scoped(Effect.gen(function*() {
    const all = yield* Effect.forEach(counts, (tenants) => prepare(server, tenants))
    // What was filled in is on the disk now, and takes nothing of what is measured.
    yield* server.ask("checkpoint")
    const inTurns = (act: (one: typeof all[number], round: number) => Effect.Effect<void, unknown>, times: number) =>
      Effect.forEach(
        Array.from({ length: times }, (_, round) => round),
        (round) => Effect.forEach(all, (_, index) => act(all[(index + round) % all.length]!, round))
      )
    yield* progress("the fleet: databases of different sizes take turns")
    yield* inTurns(({ once }, round) => once(REAL[round % REAL.length]!), rounds)
    yield* inTurns(({ crowd }) => crowd, CROWDS)
    return all.map(({ size }) => size())
  }))
