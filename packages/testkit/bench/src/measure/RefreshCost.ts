/**
 * What a refresh costs the process that makes it, while more and more others wait for it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { progress } from "../Bench.js"
import * as Lockstep from "../contender/Lockstep.js"
import type { Options } from "../Options.js"
import * as Statistics from "../Statistics.js"
import * as Contention from "./Contention.js"

/**
 * Milliseconds of processor time, by the number of waiting processes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cost {
  readonly waiters: number
  readonly winner: Statistics.Summary | undefined
  readonly waiter: Statistics.Summary | undefined
}

const WAITERS = [1, 8, 64]

/**
 * Measures Lockstep, in interleaved rounds.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ latency, quick }: Options) =>
  Effect.gen(function*() {
    const sizes = quick ? WAITERS.slice(0, 2) : WAITERS
    const rounds = quick ? 3 : 7
    yield* progress(`cost of a refresh with ${sizes.join(", ")} waiters: ${rounds} rounds`)
    yield* Contention.warmUp(Lockstep.contender, Math.max(...sizes) + 1)
    const races: Array<Contention.Race> = []
    for (let round = 0; round < rounds; round++) {
      for (const waiters of sizes) races.push(yield* Contention.race(Lockstep.contender, waiters + 1, latency))
    }
    return sizes.map((waiters): Cost => {
      const own = races.filter(({ processes }) => processes === waiters + 1)
      return {
        waiters,
        winner: Statistics.summarise(own.flatMap(({ winnerCpu }) => winnerCpu ?? [])),
        waiter: Statistics.summarise(own.flatMap(({ waiterCpu }) => waiterCpu ?? []))
      }
    })
  })
