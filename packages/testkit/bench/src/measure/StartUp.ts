/**
 * What a hook pays that calls the command before every request.
 *
 * @since 0.1.0
 */
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import * as Monotonic from "../Monotonic.js"
import type { Options } from "../Options.js"
import { login } from "../Reader.js"
import * as Statistics from "../Statistics.js"

/**
 * A command that was started again and again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Started {
  readonly name: string
  /** Milliseconds from the start to the end of the process. */
  readonly wall: Statistics.Summary | undefined
  /** Over `node -e 0` of the same round. */
  readonly ratio: Statistics.Summary | undefined
  readonly notRun?: string
}

const BIN = fileURLToPath(new URL("../../../../cli/bin/lockstep.js", import.meta.url))

const FLOOR = "node -e 0"

const commands: ReadonlyArray<{ readonly name: string; readonly args: ReadonlyArray<string> }> = [
  { name: FLOOR, args: ["-e", "0"] },
  { name: "lockstep token TENANT, fresh", args: [BIN, "token", TENANT] },
  { name: "lockstep --version", args: [BIN, "--version"] },
  { name: "lockstep status", args: [BIN, "status"] }
]

/**
 * Starts every command once per round.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.gen(function*() {
    const { environment, makeHome } = yield* Bench
    const rounds = quick ? 10 : 40
    yield* progress(`start-up of the command: ${rounds} rounds`)
    const home = yield* makeHome
    const fresh = login(TENANT)
    yield* SeededHome.write(home, [fresh])
    const times = new Map(commands.map(({ name }) => [name, [] as Array<number>]))
    const reasons = new Map<string, string>()
    for (let round = 0; round <= rounds; round++) {
      for (const { args, name } of commands) {
        const began = Monotonic.now()
        const { status, stdout } = spawnSync(process.execPath, args, {
          env: { ...environment, LOCKSTEP_HOME: home },
          encoding: "utf8"
        })
        const took = Monotonic.now() - began
        if (status !== 0) reasons.set(name, `it ended with ${status}`)
        else if (args.includes("token") && stdout !== `${fresh.access_token}\n`) {
          reasons.set(name, "it is not the token")
        } // The first round reads everything into the page cache.
        else if (round > 0) times.get(name)!.push(took)
      }
    }
    const floor = times.get(FLOOR)!
    return commands.map(({ name }): Started => {
      const own = times.get(name)!
      return reasons.has(name)
        ? { name, wall: undefined, ratio: undefined, notRun: reasons.get(name)! }
        : {
          name,
          wall: Statistics.summarise(own),
          ratio: Statistics.summarise(own.map((took, index) => took / floor[index]!))
        }
    })
  })
