/**
 * The fleet as a command, for `npm run fleet`.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { parseArgs } from "node:util"
import * as commandLine from "../internal/commandLine.js"
import * as TerminalStyle from "../race/TerminalStyle.js"
import * as PostgresServer from "../servers/PostgresServer.js"
import * as RedisServer from "../servers/RedisServer.js"
import * as Faults from "./Faults.js"
import * as Fleet from "./Fleet.js"
import * as FleetReport from "./FleetReport.js"
import * as LockstepFleet from "./LockstepFleet.js"
import * as NaiveFleet from "./NaiveFleet.js"

const USAGE = `Puts a fleet of real processes to the test, on lockstep and on a key in Redis with a time to live.

  npm run fleet -- [--workers N] [--hosts M] [--logins T] [--redemptions R] [--seed S] [--json]

  --workers N       processes over all hosts (6)
  --hosts M         hosts, each with a directory, a clock and a network of its own (3)
  --logins T        logins that all of them share (6)
  --redemptions R   how many redemptions each fleet works for (60)
  --seed S          which faults come when; a new one each time
  --json            the results as JSON, nothing else on stdout

Ends with 1 when the fleet with lockstep lost a login that could have been kept.`

const MINUTE = 60_000

/** Of the key in Redis, in milliseconds: ten times what a refresh takes here, and shorter than the longest faults. */
const TTL = 1_000

const CLOCKS = [0, 5 * MINUTE, -5 * MINUTE]

interface Settings {
  readonly options: Fleet.Options
  readonly json: boolean
}

const parse = (args: ReadonlyArray<string>): Settings | string | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      workers: { type: "string", default: "6" },
      hosts: { type: "string", default: "3" },
      logins: { type: "string", default: "6" },
      redemptions: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) return undefined
  const [workers, hosts, tenants, redemptions, seed] = [
    values.workers,
    values.hosts,
    values.logins,
    values.redemptions,
    values.seed
  ].map(Number) as [number, number, number, number, number]
  if (![workers, hosts, tenants, redemptions].every(commandLine.isCount)) return "Counts are whole numbers from 1."
  if (!Number.isSafeInteger(seed)) return "The seed is a whole number."
  if (hosts > workers) return "Every host needs a worker."
  const patience = MINUTE + redemptions * 2_000
  return {
    options: { workers, hosts, tenants, redemptions, seed, patience, latency: 150, faults: Faults.KINDS, every: 500 },
    json: values.json
  }
}

const show = ({ json, options }: Settings, installation: Parameters<typeof PostgresServer.start>[0]) =>
  Effect.gen(function*() {
    const style = TerminalStyle.make(TerminalStyle.isWanted(process.env, process.stdout.isTTY === true))
    const print = (text: string) => Effect.sync(() => json || console.log(text))
    yield* print(FleetReport.heading(options, `PostgreSQL ${installation.version}`, style))

    const lockstep = yield* Effect.scoped(Effect.gen(function*() {
      const postgres = yield* PostgresServer.start(installation)
      return yield* Fleet.run(LockstepFleet.make(postgres.url("postgres")), { ...options, clocks: CLOCKS })
    }))
    yield* print(
      FleetReport.section("With lockstep: leases in PostgreSQL, an intent before each request", lockstep, style)
    )

    const program = RedisServer.installation()
    const redis = Option.isNone(program) ? undefined : yield* Effect.scoped(Effect.gen(function*() {
      const { port } = yield* RedisServer.start(program.value)
      return yield* Fleet.run(NaiveFleet.redis(port, TTL), options)
    }))
    yield* print(
      redis === undefined
        ? "The same on a key in Redis is left out: there is no redis-server on this machine.\n"
        : FleetReport.section(
          `On a key in Redis that lives for ${TTL / 1_000} s: the same faults, and clocks that agree`,
          redis,
          style
        )
    )

    yield* print(FleetReport.verdict(
      [["With lockstep:  ", lockstep], ...redis === undefined ? [] : [["On a Redis key:", redis] as const]],
      style
    ))
    if (json) {
      yield* Effect.sync(() =>
        console.log(JSON.stringify({ lockstep, ...redis === undefined ? {} : { redis } }, undefined, 2))
      )
    }
    if (!FleetReport.isClean(lockstep)) process.exitCode = 1
  })

/**
 * Runs the command with these arguments.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main = (args: ReadonlyArray<string>): void => {
  const settings = commandLine.settingsOf(commandLine.read(USAGE, () => parse(args)))
  if (settings === undefined) return
  const [installation] = PostgresServer.installations()
  if (installation === undefined) {
    console.error("there is no PostgreSQL on this machine\ninstall Debian's `postgresql`, or run `npm ci` on Linux x64")
    process.exitCode = 2
    return
  }
  NodeRuntime.runMain(show(settings, installation))
}
