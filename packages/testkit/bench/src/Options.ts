/**
 * What a run of the benchmark was asked for.
 *
 * @since 0.1.0
 */
import { parseArgs } from "node:util"

/**
 * The parts of the benchmark, in the order in which they run.
 *
 * @since 0.1.0
 * @category constants
 */
export const PARTS = [
  "contention",
  "cost",
  "read",
  "handoff",
  "recovery",
  "startup",
  "cold",
  "proxy",
  "bridge",
  "keeper",
  "fleet"
] as const

/**
 * A part of the benchmark.
 *
 * @since 0.1.0
 * @category models
 */
export type Part = typeof PARTS[number]

/**
 * What a run of the benchmark was asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly quick: boolean
  readonly parts: ReadonlyArray<Part>
  /** How many processes share the login. */
  readonly processes: ReadonlyArray<number>
  readonly rounds: number
  /** How many commands start at one moment. */
  readonly crowds: ReadonlyArray<number>
  /** The names of those who race; all of them when none is named. */
  readonly among: ReadonlyArray<string>
  /** Milliseconds that the authorization server takes. */
  readonly latency: number
}

/**
 * How to call it.
 *
 * @since 0.1.0
 * @category constants
 */
export const USAGE = `npm run bench -- [options]

  --quick        fewer rounds, smaller fields
  --only PART    one of ${PARTS.join(", ")}; may be repeated
  --n N[,N…]     processes that share the login (2,8,32,64; cold 1,8,24,64; up to 200)
  --among NAME   lets only these race (lockstep, flock-poll-50, …; fleets: lockstep, redis, advisory, row); may be repeated
  --rounds R     interleaved rounds of the contended refresh (3)
  --latency MS   what the authorization server takes (300)`

const isPart = (text: string): text is Part => (PARTS as ReadonlyArray<string>).includes(text)

const whole = (name: string, text: string, limit: number): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > limit) throw new Error(`--${name}: a number from 1 to ${limit}`)
  return value
}

/**
 * Reads the command line. Throws with what is wrong with it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parse = (args: ReadonlyArray<string>): Options | "help" => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true },
      n: { type: "string" },
      among: { type: "string", multiple: true, default: [] },
      rounds: { type: "string" },
      latency: { type: "string", default: "300" },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) return "help"
  const unknown = values.only?.find((name) => !isPart(name))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: one of ${PARTS.join(", ")}`)
  return {
    quick: values.quick,
    parts: values.only?.filter(isPart) ?? PARTS,
    processes: (values.n ?? (values.quick ? "2,8,32" : "2,8,32,64")).split(",").map((text) => whole("n", text, 200)),
    crowds: (values.n ?? (values.quick ? "1,8" : "1,8,24,64")).split(",").map((text) => whole("n", text, 200)),
    rounds: whole("rounds", values.rounds ?? (values.quick ? "1" : "3"), 20),
    among: values.among,
    latency: whole("latency", values.latency, 5000)
  }
}
