/**
 * What a crowd of commands costs that start at one moment and find one expired login: nothing of them runs before, and
 * nothing after. As many processes that do nothing start beside them, and as many scripts that read, refresh and write
 * without a lock.
 *
 * @since 0.1.0
 */
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import * as Monotonic from "../Monotonic.js"
import type { Options } from "../Options.js"
import * as ProcessorTime from "../ProcessorTime.js"
import * as Statistics from "../Statistics.js"

/**
 * A kind of process, at one size of the crowd. Milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Crowd {
  readonly name: string
  readonly processes: number
  /** From the start of the first until the end of the last. */
  readonly wall: Statistics.Summary | undefined
  /** Processor time of all of them. */
  readonly cpu: Statistics.Summary | undefined
  /** Over the crowd of `node -e 0` of the same round: wall, and processor time. */
  readonly wallRatio: Statistics.Summary | undefined
  readonly cpuRatio: Statistics.Summary | undefined
  /** What the server saw in all rounds, and the processes that ended without a token. */
  readonly redemptions: number
  readonly reuses: number
  readonly failed: number
}

/**
 * All crowds, and how they were measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Measured {
  readonly latency: number
  readonly rounds: number
  readonly crowds: ReadonlyArray<Crowd>
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

const COMMAND = path("../../../../cli/bin/lockstep.js")
const NAIVE = path("../../../dist/race/NaiveClient.js")

export const NOTHING = "node -e 0"
export const LOCKSTEP = "lockstep token"
export const UNLOCKED = "a script without a lock"

const kinds: ReadonlyArray<{ readonly name: string; readonly args: (file: string) => ReadonlyArray<string> }> = [
  { name: NOTHING, args: () => ["-e", "0"] },
  { name: LOCKSTEP, args: () => [COMMAND, "token", TENANT] },
  { name: UNLOCKED, args: (file) => [NAIVE, file, TENANT] }
]

/** Starts them all, waits for all, and says how many failed and what processor time they took. */
const CROWD = `
n=$1; shift; failed=0; pids=
for ((i = 0; i < n; i++)); do "$@" > /dev/null 2>&1 < /dev/null & pids="$pids $!"; done
for pid in $pids; do wait "$pid" || failed=$((failed + 1)); done
echo "$failed"; times`

/**
 * Starts so many processes at one moment and waits for all.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = (
  count: number,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<{ readonly wall: number; readonly cpu: number; readonly failed: number }> =>
  Effect.async((resume) => {
    const began = Monotonic.now()
    const child = spawn("bash", ["-c", CROWD, "crowd", String(count), process.execPath, ...args], {
      env,
      stdio: ["ignore", "pipe", "inherit"]
    })
    let told = ""
    child.stdout.on("data", (chunk: Buffer) => told += chunk.toString())
    child.once("close", () =>
      resume(Effect.succeed({
        wall: Monotonic.now() - began,
        cpu: ProcessorTime.ofChildren(told),
        failed: Number(told.split("\n", 1)[0])
      })))
  })

interface Sample {
  readonly wall: number
  readonly cpu: number
}

/**
 * Lets the kinds take turns, at every size.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ crowds, latency, quick, rounds: asked }: Options) =>
  Effect.gen(function*() {
    const { environment, makeHome, provider } = yield* Bench
    const rounds = quick ? 2 : Math.max(5, asked)
    const measured: Array<Crowd> = []
    for (const processes of crowds) {
      yield* progress(`cold crowds of ${processes}: ${rounds} rounds`)
      const samples = new Map(kinds.map(({ name }) => [name, [] as Array<Sample>]))
      const seen = new Map(kinds.map(({ name }) => [name, { redemptions: 0, reuses: 0, failed: 0 }]))
      // The first round reads everything into the page cache.
      for (let round = 0; round <= rounds; round++) {
        for (const { args, name } of kinds) {
          yield* provider.call("delay", { latency, requests: 4 * processes })
          const [login] = yield* provider.call("issue", { server: "slow", count: 1 })
          const home = yield* makeHome
          const file = yield* SeededHome.write(home, [{ ...login!, tenant: TENANT }])
          const before = yield* provider.call("tally")
          const { failed, ...sample } = yield* run(processes, args(file), { ...environment, LOCKSTEP_HOME: home })
          const after = yield* provider.call("tally")
          if (round === 0) continue
          samples.get(name)!.push(sample)
          const sum = seen.get(name)!
          sum.redemptions += after.redemptions - before.redemptions
          sum.reuses += after.reuses - before.reuses
          sum.failed += failed
        }
      }
      const floor = samples.get(NOTHING)!
      for (const { name } of kinds) {
        const own = samples.get(name)!
        measured.push({
          name,
          processes,
          wall: Statistics.summarise(own.map(({ wall }) => wall)),
          cpu: Statistics.summarise(own.map(({ cpu }) => cpu)),
          wallRatio: Statistics.summarise(own.map(({ wall }, index) => wall / floor[index]!.wall)),
          cpuRatio: Statistics.summarise(own.map(({ cpu }, index) => cpu / floor[index]!.cpu)),
          ...seen.get(name)!
        })
      }
    }
    return { latency, rounds, crowds: measured } satisfies Measured
  })
