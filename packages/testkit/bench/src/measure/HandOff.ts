/**
 * How long it takes until the next process has the lock, and until a process that reads all the time has another's
 * token.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { Bench, progress } from "../Bench.js"
import { TENANT } from "../Contender.js"
import * as Lockstep from "../contender/Lockstep.js"
import * as Field from "../Field.js"
import type { Options } from "../Options.js"
import * as Remote from "../Remote.js"
import * as Statistics from "../Statistics.js"

/**
 * Milliseconds from the release in one process until the next one has the lock, and milliseconds of processor time in a
 * second of waiting for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandOff {
  readonly name: string
  readonly label: string
  readonly delay: Statistics.Summary | undefined
  readonly cpu: Statistics.Summary | undefined
  readonly notRun?: string
}

/** Milliseconds for which the lock is held while the other process waits: anywhere within a poll's interval. */
const HOLD = { min: 120, max: 220 }

/** Milliseconds for which it is held to see what waiting costs. */
const LONG_HOLD = { min: 2_000, max: 2_050 }

/** Milliseconds after which a process that reads all the time has proven its watch of the directory. */
const SETTLING = 1_000

const handOff = (name: string, hold: typeof HOLD) =>
  Effect.gen(function*() {
    const home = yield* Effect.flatMap(Bench, ({ makeHome }) => makeHome)
    const [holder, waiter] = yield* Effect.flatMap(Bench, ({ processes }) => processes(2))
    yield* holder!.call("hold", { mutex: name, home })
    const acquired = yield* Effect.fork(waiter!.call("acquire", { mutex: name, home }))
    yield* Effect.sleep(yield* Random.nextRange(hold.min, hold.max))
    const released = yield* holder!.call("release")
    const { at, cpu } = yield* acquired
    return { delay: at - released.at, cpu }
  })

/**
 * Measures every lock, in interleaved rounds.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.gen(function*() {
    const rounds = quick ? 5 : 25
    const longRounds = quick ? 1 : 3
    yield* progress(`hand-off of the lock: ${rounds} rounds, and ${longRounds} of a long wait`)
    const delays = new Map(Field.mutexes.map(({ name }) => [name, [] as Array<number>]))
    const costs = new Map(Field.mutexes.map(({ name }) => [name, [] as Array<number>]))
    const reasons = new Map<string, string>()
    for (let round = 0; round <= rounds + longRounds; round++) {
      const isLong = round > rounds
      for (const { name } of Field.mutexes) {
        if (reasons.has(name)) continue
        const outcome = yield* Effect.either(handOff(name, isLong ? LONG_HOLD : HOLD))
        if (outcome._tag === "Left") reasons.set(name, Remote.reasonOf(outcome.left))
        else if (isLong) costs.get(name)!.push(outcome.right.cpu)
        // The first round loads what is loaded lazily.
        else if (round > 0) delays.get(name)!.push(outcome.right.delay)
      }
    }
    return Field.mutexes.map(({ label, name }): HandOff => ({
      name,
      label,
      delay: Statistics.summarise(delays.get(name)!),
      cpu: Statistics.summarise(costs.get(name)!),
      ...reasons.has(name) ? { notRun: reasons.get(name)! } : {}
    }))
  })

/**
 * Measures, in milliseconds from the write, when a process that reads all the time has the token of another one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measureRotation = ({ quick }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const { makeHome, processes, provider, start } = yield* Bench
    const rounds = quick ? 5 : 25
    yield* progress(`rotation by another process: ${rounds} rounds`)
    const home = yield* makeHome
    const [login] = yield* provider.call("issue", { server: "fast", count: 1 })
    yield* Lockstep.contender.seed(home, {
      ...login!,
      tenant: TENANT,
      expires_at: Math.floor(Date.now() / 1000) + 3600
    })
    const [writer] = yield* processes(1)
    const reader = yield* start
    yield* reader.call("follow", { home })
    yield* Effect.sleep(SETTLING)
    const delays: Array<number> = []
    for (let round = 0; round <= rounds; round++) {
      const written = yield* writer!.call("rotate", { home })
      const seen = yield* reader.child.message(({ event, generation }) =>
        event === "seen" && generation === written.generation
      )
      if (round > 0) delays.push(Number(seen["time"]) - written.at!)
      yield* Effect.sleep(yield* Random.nextRange(20, 60))
    }
    return Statistics.summarise(delays)
  }))
