/**
 * Which store was chosen automatically for each tenant, kept to explain why a login seems to be gone.
 *
 * What is written here decides nothing. It cannot change which store is used, it cannot fail an operation, it takes no
 * lock, and no token is in it. A record that is damaged, or that cannot be written, counts as missing.
 *
 * @since 0.1.0
 */
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import { type Custody, type Held, Hold } from "@lockstep/core/Custody"
import type { ProcessIdentity } from "@lockstep/core/Host"
import * as Metrics from "@lockstep/core/Metrics"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as AtomicFile from "../AtomicFile.js"
import { type Home } from "../Home.js"
import { StoreKind } from "../HomePin.js"
import * as WholeFile from "../WholeFile.js"

/**
 * What was chosen, when and by which process. Times are seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export class Choice extends Schema.Class<Choice>("@lockstep/node/StoreDrift/Choice")({
  store: StoreKind,
  at: Schema.Number,
  /** Command and pid. */
  by: Schema.String
}) {}

/**
 * What is known of one tenant.
 *
 * @since 0.1.0
 * @category models
 */
export class Trace extends Schema.Class<Trace>("@lockstep/node/StoreDrift/Trace")({
  ...Choice.fields,
  /** What had been chosen before, where the change was not asked for. */
  before: Schema.optionalWith(Choice, { as: "Option", nullable: true })
}) {}

const Drift = Schema.Struct({
  version: Schema.Literal(1),
  tenants: Schema.Record({ key: Schema.String, value: Trace })
})
const DriftJson = Schema.parseJson(Drift, { space: 2 })

/**
 * What is known of each tenant, by its name.
 *
 * @since 0.1.0
 * @category models
 */
export type Traces = ReadonlyMap<string, Trace>

const FILE = "drift.json"

/**
 * Where the record of a home is.
 *
 * @since 0.1.0
 * @category getters
 */
export const location = (home: Pick<Home["Type"], "directory">): string => Path.join(home.directory, FILE)

/**
 * Parses a record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (text: string): Option.Option<Traces> =>
  Option.map(Schema.decodeOption(DriftJson)(text), ({ tenants }) => new Map(Object.entries(tenants)))

/**
 * Reads the record of a home. Without one, and where it is damaged, nothing is known.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = (home: Pick<Home["Type"], "directory">): Effect.Effect<Traces> =>
  Effect.suspend(() => WholeFile.read(location(home))).pipe(
    Effect.map(Option.flatMap(({ bytes }) => parse(Buffer.from(bytes).toString("utf8")))),
    Effect.map(Option.getOrElse((): Traces => new Map())),
    Effect.catchAllCause(() => Effect.succeed<Traces>(new Map()))
  )

const encode = Schema.encodeSync(DriftJson)

const write = (home: Pick<Home["Type"], "directory">, traces: Traces): Effect.Effect<void> =>
  Effect.suspend(() =>
    // A process that only reads creates no home.
    Fs.existsSync(home.directory)
      ? AtomicFile.replace(location(home), `${encode({ version: 1, tenants: Object.fromEntries(traces) })}\n`)
      : Effect.void
  ).pipe(Effect.catchAllCause(() => Effect.void))

const choose = (store: StoreKind, by: ProcessIdentity) =>
  Effect.map(
    Clock.currentTimeMillis,
    (now) => Choice.make({ store, at: Math.floor(now / 1_000), by: `${by.command} ${by.pid}` })
  )

/** Counts and tells, once: the record then holds what is chosen now. */
const tell = (tenant: TenantId, before: Trace, now: Choice) =>
  Effect.zipRight(
    Metrics.drifted(tenant, before.store, now.store),
    Effect.annotateLogs(
      Effect.logWarning(
        `${tenant} was kept in the store ${before.store} and is now looked for in ${now.store}, which was chosen ` +
          "automatically; `lockstep doctor` explains it"
      ),
      { tenant, from: before.store, to: now.store }
    )
  )

/**
 * Notes that a store was chosen automatically for a tenant, and warns where it had been another one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const observe = (
  home: Pick<Home["Type"], "directory" | "store">,
  tenant: TenantId,
  by: ProcessIdentity
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const traces = yield* read(home)
    const before = traces.get(tenant)
    if (before?.store === home.store) return
    const now = yield* choose(home.store, by)
    yield* write(
      home,
      new Map(traces).set(tenant, Trace.make({ ...now, before: Option.fromNullable(before && Choice.make(before)) }))
    )
    if (before !== undefined) yield* tell(tenant, before, now)
  })

/**
 * Notes where a person put a tenant on purpose, by a login or a move: that is no drift. A choice that was never
 * automatic is not noted.
 *
 * @since 0.1.0
 * @category combinators
 */
export const accept = (
  home: Pick<Home["Type"], "directory">,
  store: StoreKind,
  which: (tenant: string) => boolean,
  by: ProcessIdentity
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const traces = yield* read(home)
    const stale = [...traces].filter(([tenant, trace]) =>
      which(tenant) && (trace.store !== store || Option.isSome(trace.before))
    )
    if (stale.length === 0) return
    const trace = Trace.make({ ...yield* choose(store, by), before: Option.none() })
    yield* write(home, new Map([...traces, ...stale.map(([tenant]) => [tenant, trace] as const)]))
  })

const isOnPurpose = FiberRef.unsafeMake(false)

/**
 * Runs an effect that puts a login where it is on purpose, from its first look at the store.
 *
 * @since 0.1.0
 * @category combinators
 */
export const onPurpose = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.locally(effect, isOnPurpose, true)

/** Notes where a login was put. */
const settle = (home: Pick<Home["Type"], "directory" | "store">, tenant: TenantId, by: ProcessIdentity) =>
  Effect.gen(function*() {
    const traces = yield* read(home)
    const known = traces.get(tenant)
    if (known?.store === home.store && Option.isNone(known.before)) return
    yield* write(
      home,
      new Map(traces).set(tenant, Trace.make({ ...yield* choose(home.store, by), before: Option.none() }))
    )
  })

/**
 * What an agent and a holder use of a store.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ports {
  readonly store: CredentialStore["Type"]
  readonly custody: Custody["Type"]
}

/**
 * A store that was chosen automatically, observed at the first use of each tenant.
 *
 * A record that was not there before is a new login, whatever process writes it: a refresh makes no record.
 *
 * @since 0.1.0
 * @category combinators
 */
export const observed = (
  { custody, store }: Ports,
  home: Pick<Home["Type"], "directory" | "store">,
  by: ProcessIdentity
): Ports => {
  const seen = new Set<TenantId>()

  const get: CredentialStore["Type"]["get"] = (tenant) =>
    Effect.suspend(() =>
      seen.has(tenant) ? store.get(tenant) : Effect.zipRight(
        Effect.flatMap(FiberRef.get(isOnPurpose), (purpose) => {
          if (purpose) return Effect.void
          seen.add(tenant)
          return observe(home, tenant, by)
        }),
        store.get(tenant)
      )
    )

  const commitOf = (tenant: TenantId, held: Held): Held["commit"] => (commit) =>
    Effect.suspend(() => {
      let isNew = false
      return Effect.zipLeft(
        held.commit({
          ...commit,
          decide: (current) => {
            const change = commit.decide(current)
            isNew = Option.isNone(current) && change._tag === "Put"
            return change
          }
        }),
        Effect.flatMap(
          FiberRef.get(isOnPurpose),
          (purpose) => purpose || isNew ? settle(home, tenant, by) : Effect.void
        )
      )
    })

  return {
    store: { ...store, get },
    custody: {
      ...custody,
      hold: (tenant, options) =>
        Effect.map(
          custody.hold(tenant, options),
          (hold) =>
            hold._tag === "Held"
              ? Hold.Held({ held: { ...hold.held, commit: commitOf(tenant, hold.held) } })
              : hold
        )
    }
  }
}
