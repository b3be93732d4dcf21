/**
 * The race as a command, for `npm start`.
 *
 * @since 0.1.0
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as commandLine from "../internal/commandLine.js"
import * as Race from "./Race.js"
import * as RaceReport from "./RaceReport.js"
import * as TerminalStyle from "./TerminalStyle.js"

const USAGE = `Races real processes on expired logins, with lockstep and without any lock.

  npm start -- [--processes N] [--tenants M] [--latency MS] [--unlocked] [--json]

  --processes N   processes over all tenants (24)
  --tenants M     expired logins, shared out among the processes (1)
  --latency MS    how long a refresh travels to the server (150)
  --unlocked      only the race without locks
  --json          the results as JSON, nothing else on stdout

Ends with 1 when the race with lockstep was not clean.`

const COMMAND = fileURLToPath(new URL("../../../cli/bin/lockstep.js", import.meta.url))
const NAIVE = fileURLToPath(new URL("./NaiveClient.js", import.meta.url))

/** On a machine that is busy with something else waiting is right and giving up is not: the bounds end what hangs. */
const BOUNDS = { LOCKSTEP_REDEEM_LIMIT: "10m", LOCKSTEP_LOCK_TIMEOUT: "20m" }

const lockstep: Race.Contender = { journals: true, args: (_file, tenant) => [COMMAND, "token", tenant], env: BOUNDS }
const naive: Race.Contender = { journals: false, args: (file, tenant) => [NAIVE, file, tenant] }

interface Settings extends Race.Options {
  readonly unlocked: boolean
  readonly json: boolean
}

const parse = (args: ReadonlyArray<string>): Settings | string | undefined => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      processes: { type: "string", default: "24" },
      tenants: { type: "string", default: "1" },
      latency: { type: "string", default: "150" },
      unlocked: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) return undefined
  const [processes, tenants, latency] = [Number(values.processes), Number(values.tenants), Number(values.latency)]
  if (!commandLine.isCount(processes) || !commandLine.isCount(tenants) || !(latency >= 0)) {
    return "Counts are whole numbers from 1."
  }
  if (tenants > processes) return "Every tenant needs a process."
  return { processes, tenants, latency, unlocked: values.unlocked, json: values.json }
}

const show = (settings: Settings) =>
  Effect.gen(function*() {
    const style = TerminalStyle.make(TerminalStyle.isWanted(process.env, process.stdout.isTTY === true))
    const print = (text: string) => Effect.sync(() => settings.json || console.log(text))
    const { json: _json, unlocked: only, ...options } = settings

    yield* print(RaceReport.heading(options, style))
    if (!only) yield* print(RaceReport.beginning("with lockstep", options, style))
    const locked = only ? undefined : yield* Effect.scoped(Race.run(lockstep, options))
    if (locked !== undefined) yield* print(RaceReport.section("With lockstep: `lockstep token`", locked, style))
    yield* print(RaceReport.beginning("without any lock", options, style))
    const unlocked = yield* Effect.scoped(Race.run(naive, options))
    yield* print(RaceReport.section("Without any lock: read the file, refresh, write the file", unlocked, style))

    const results = { ...(locked === undefined ? {} : { locked }), unlocked }
    yield* print(RaceReport.verdict(results, style))
    yield* print(RaceReport.legend(style))
    if (settings.json) yield* Effect.sync(() => console.log(JSON.stringify(results, undefined, 2)))
    if (locked !== undefined && !Race.isClean(locked)) process.exitCode = 1
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
  if (!settings.unlocked && !existsSync(COMMAND)) {
    console.error(`${COMMAND} is not there\nrun \`npm run build\` first`)
    process.exitCode = 2
    return
  }
  NodeRuntime.runMain(show(settings))
}
