/**
 * What a hook pays that calls the command before every request.
 *
 * @since 0.1.0
 */
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import type { Options } from "../Options.js"
import * as ProcessorTime from "../ProcessorTime.js"
import { login } from "../Reader.js"
import * as Statistics from "../Statistics.js"

/**
 * A command that was started again and again. Ratios are to `node -e 0` of the same round.
 *
 * @since 0.1.0
 * @category models
 */
export interface Started {
  readonly name: string
  /** Milliseconds from the start to the end of the process. */
  readonly wall: Statistics.Summary | undefined
  readonly ratio: Statistics.Summary | undefined
  /** Milliseconds of processor time, of its own children, too. */
  readonly cpu: Statistics.Summary | undefined
  readonly cpuRatio: Statistics.Summary | undefined
  readonly notRun?: string
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/**
 * The command.
 *
 * @since 0.1.0
 * @category constants
 */
export const BIN = path("../../../../cli/bin/lockstep.js")
const PROBE = path("../../../../cli/dist/probe.js")

export const FLOOR = "node -e 0"
export const FRESH = "lockstep token TENANT, fresh"
export const STATUS = "lockstep status"
export const DOCTOR = "lockstep doctor"
export const HELP = "lockstep --help"
/** Runs once for a doctor, whose own time does not hold it. */
export const SECOND = "the doctor's second process"

const commands: ReadonlyArray<{ readonly name: string; readonly args: (home: string) => ReadonlyArray<string> }> = [
  { name: FLOOR, args: () => ["-e", "0"] },
  { name: FRESH, args: () => [BIN, "token", TENANT] },
  { name: HELP, args: () => [BIN, "--help"] },
  { name: STATUS, args: () => [BIN, "status"] },
  { name: DOCTOR, args: () => [BIN, "doctor", "--offline"] },
  { name: SECOND, args: (home) => [PROBE, join(home, "probe.lock")] },
  { name: "lockstep vendors, by the parser", args: () => [BIN, "vendors"] }
]

/** Runs one command and tells, beside what it prints, when it began and ended and what processor time it took. */
const TIMED = `begun=$EPOCHREALTIME; "$@"; code=$?; ended=$EPOCHREALTIME
{ echo "$begun $ended"; times; } >&3; exit $code`

const millis = (text: string): number => Number(text.replace(",", ".")) * 1_000

/**
 * Starts Node with arguments, and tells what it printed and what it took.
 *
 * @since 0.1.0
 * @category combinators
 */
export const timed = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) => {
  const { output, status } = spawnSync("bash", ["-c", TIMED, "timed", process.execPath, ...args], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore", "pipe"]
  })
  const [stdout = "", , told = ""] = output.slice(1) as Array<string>
  const [begun = "", ended = ""] = told.split("\n", 1)[0]!.split(" ")
  return { status, stdout, wall: millis(ended) - millis(begun), cpu: ProcessorTime.ofChildren(told) }
}

/**
 * Starts every command once per round.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.gen(function*() {
    const { environment, makeHome } = yield* Bench
    const rounds = quick ? 7 : 25
    yield* progress(`start-up of the command: ${rounds} rounds`)
    const home = yield* makeHome
    const fresh = login(TENANT)
    yield* SeededHome.write(home, [fresh])
    const samples = new Map(commands.map(({ name }) => [name, [] as Array<{ wall: number; cpu: number }>]))
    const reasons = new Map<string, string>()
    for (let round = 0; round <= rounds; round++) {
      for (const { args, name } of commands) {
        const { status, stdout, ...took } = timed(args(home), { ...environment, LOCKSTEP_HOME: home })
        if (status !== 0) reasons.set(name, `it ended with ${status}`)
        else if (name === FRESH && stdout !== `${fresh.access_token}\n`) reasons.set(name, "it is not the token")
        // The first round reads everything into the page cache.
        else if (round > 0) samples.get(name)!.push(took)
      }
    }
    const floor = samples.get(FLOOR)!
    return commands.map(({ name }): Started => {
      const own = samples.get(name)!
      return reasons.has(name)
        ? {
          name,
          wall: undefined,
          ratio: undefined,
          cpu: undefined,
          cpuRatio: undefined,
          notRun: reasons.get(name)!
        }
        : {
          name,
          wall: Statistics.summarise(own.map(({ wall }) => wall)),
          ratio: Statistics.summarise(own.map(({ wall }, index) => wall / floor[index]!.wall)),
          cpu: Statistics.summarise(own.map(({ cpu }) => cpu)),
          cpuRatio: Statistics.summarise(own.map(({ cpu }, index) => cpu / floor[index]!.cpu))
        }
    })
  })
