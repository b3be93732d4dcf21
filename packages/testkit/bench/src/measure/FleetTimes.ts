/**
 * What the fleet costs: how fast a crowd of workers has a new token, how fast a tenant is taken over from a worker that was
 * killed, what reading and refreshing one costs among many, and how many connections it takes.
 *
 * @since 0.1.0
 */
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as Crowd from "@lockstep/testkit/fleet/Crowd"
import * as LockstepFleet from "@lockstep/testkit/fleet/LockstepFleet"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { dirname, join } from "node:path"
import { progress } from "../Bench.js"
import type { Options } from "../Options.js"
import * as Statistics from "../Statistics.js"
import * as FleetSizes from "./FleetSizes.js"

/**
 * Everything that was measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Times {
  /** Milliseconds from the answer of the server until the last of so many workers has the token. */
  readonly crowds: ReadonlyArray<{ readonly workers: number; readonly last: Statistics.Summary | undefined }>
  /** Milliseconds until the process that waits has the tenant of one that is killed. */
  readonly takeover: {
    readonly fromKill: Statistics.Summary | undefined
    /** From the end of the session, which the server sees once the kernel has taken the process apart. */
    readonly fromEnd: Statistics.Summary | undefined
  }
  readonly sizes: ReadonlyArray<FleetSizes.Size>
  /** Connections that a worker has. */
  readonly connections: number
}

const NANOS = 1_000_000

const TENANT = "agent"

/** Processes that a crowd is shared out among. */
const PROCESSES = 10

const stage = Effect.gen(function*() {
  const [installation] = PostgresServer.installations()
  if (installation === undefined) return yield* Effect.dieMessage("there is no PostgreSQL on this machine")
  // As in production: every commit reaches the disk.
  const postgres = yield* PostgresServer.start(installation, { settings: ["fsync=on", "log_statement=none"] })
  const backend = yield* LockstepFleet.make(postgres.url("postgres")).start
  const server = yield* AuthorizationServer.make({ latency: 100 })
  const harness = yield* ProcessHarness.make({ secrets: () => [] })
  const env = (host: string) => backend.env(join(dirname(harness.home), host), postgres.port)
  const login = Effect.flatMap(SeededHome.issue(server, TENANT), backend.login)
  const session = Context.get(yield* FleetSizes.observe(env("observer")), PostgresSession)
  return { postgres, server, harness, env, login, session }
})

type Stage = Effect.Effect.Success<typeof stage>

const crowd = ({ env, harness, login, server, session }: Stage, workers: number, rounds: number) =>
  Effect.scoped(Effect.gen(function*() {
    const delays: Array<number> = []
    let connections = 0
    for (let round = 0; round < rounds; round++) {
      yield* login
      const crowds = yield* Effect.forEach(
        Array.from({ length: PROCESSES }, (_, index) => `host-${index}`),
        (host) => Crowd.start(harness, { env: env(host), tenants: [TENANT], workers: workers / PROCESSES })
      )
      const { rows: [row] } = yield* session.query(
        "select count(*)::int as count from pg_stat_activity where application_name = 'lockstep'"
      )
      connections = Number(row?.["count"]) - 2
      yield* Effect.forEach(crowds, ({ go }) => go)
      const served = yield* Effect.forEach(crowds, (one) => one.served)
      const answered = server.ledger.redemptions.at(-1)!.at.monotonic
      const last = served.flatMap(({ times }) => times).reduce((a, b) => a > b ? a : b)
      delays.push(Number(last - answered) / NANOS)
      yield* Effect.forEach(crowds, ({ finish }) => finish)
    }
    return { workers, last: Statistics.summarise(delays), connections: connections / workers }
  }))

/** Waits for the presence of a process, whose lock dies with its session, and tells when that was by the server's clock. */
const endOf = (pid: number) =>
  `select pg_advisory_lock_shared(presence), extract(epoch from clock_timestamp())::float8 * 1000 as at
  from lockstep.session where pid = ${pid}`

const WATCHED = "select from pg_locks where locktype = 'advisory' and not granted"

/** The holder is stopped where it has the tenant and has announced nothing, and another process waits for it. */
const takeover = ({ env, harness, login, postgres }: Stage) =>
  Effect.scoped(Effect.gen(function*() {
    yield* login
    const command = { _tag: "AccessToken", tenant: TENANT } as const
    const holder = yield* RemoteWorker.spawn(harness, {
      host: "one",
      env: env("one"),
      setup: { store: "postgres", stop: { span: "lockstep.refresh.reread", at: "end", signal: "SIGSTOP" } }
    })
    yield* holder.begin(command)
    yield* holder.stopping
    const waiter = yield* RemoteWorker.spawn(harness, { host: "two", env: env("two"), setup: { store: "postgres" } })
    const waiting = yield* waiter.begin(command)
    yield* waiter.step("lockstep.refresh.lock", "start")
    const watching = yield* Effect.fork(postgres.ask(endOf(holder.child.pid)))
    yield* Effect.repeat(postgres.ask(WATCHED), { until: (rows) => rows.length > 0 })
    yield* Effect.sleep(500)
    // The server tells the time of day, and processes tell the monotonic one.
    const [killed, day] = [process.hrtime.bigint(), performance.timeOrigin + performance.now()]
    yield* holder.child.signal("SIGKILL")
    const { at } = yield* waiter.step("lockstep.refresh.lock", "end")
    const [end] = yield* Fiber.join(watching)
    yield* waiting.outcome
    const fromKill = Number(BigInt((at as { readonly monotonic: string }).monotonic) - killed) / NANOS
    return { fromKill, fromEnd: fromKill - (Number(end!["at"]) - day) }
  }))

/**
 * Measures all of it, over one server.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const one = yield* stage
    const sizes = yield* FleetSizes.measure(one.postgres, [1_000, 10_000, 100_000], quick ? 60 : 300)
    const crowds = []
    for (const workers of [50, 100]) {
      yield* progress(`the fleet: the last of ${workers}`)
      crowds.push(yield* crowd(one, workers, quick ? 3 : 10))
    }
    yield* progress("the fleet: takeover")
    const delays = yield* Effect.replicateEffect(takeover(one), quick ? 7 : 20)
    return {
      crowds: crowds.map(({ last, workers }) => ({ workers, last })),
      takeover: {
        fromKill: Statistics.summarise(delays.map(({ fromKill }) => fromKill)),
        fromEnd: Statistics.summarise(delays.map(({ fromEnd }) => fromEnd))
      },
      sizes,
      connections: crowds[0]!.connections
    } satisfies Times
  }))
