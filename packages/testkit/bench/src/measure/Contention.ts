/**
 * Many processes find one expired login at the same time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bench, progress } from "../Bench.js"
import type { Contender } from "../Contender.js"
import { NoToken } from "../Contender.js"
import * as Field from "../Field.js"
import * as Monotonic from "../Monotonic.js"
import type { Options } from "../Options.js"
import type { Obtained } from "../Participant.js"
import * as Remote from "../Remote.js"

/**
 * One race.
 *
 * @since 0.1.0
 * @category models
 */
export interface Race {
  readonly processes: number
  /** Requests that the server got. */
  readonly requests: number
  readonly redemptions: number
  readonly reuses: number
  /** Processes that hold a token at the end which the server takes. */
  readonly survivors: number
  /** Milliseconds from the start until the last one has ended. */
  readonly wall: number
  /** Milliseconds from the winner's write until the last other process has the token; only where all of them do. */
  readonly adoption: number | undefined
  /** Milliseconds of processor time: the one who redeemed, and the middle of the others. */
  readonly winnerCpu: number | undefined
  readonly waiterCpu: number | undefined
  /** What those without a token said, once each. */
  readonly errors: ReadonlyArray<string>
}

/**
 * A contender and its races, or why it has no races.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly name: string
  readonly label: string
  readonly races: ReadonlyArray<Race>
  readonly notRun?: string
}

/** Milliseconds that the processes have to receive their start signal. */
const COUNTDOWN = 50

/** Requests that one process may come to send. */
const REQUESTS = 4

const middle = (values: ReadonlyArray<number>): number | undefined =>
  values.length === 0 ? undefined : values.toSorted((a, b) => a - b)[values.length >> 1]

const adoptionOf = (outcomes: ReadonlyArray<Obtained>, survivors: number) => {
  const writers = outcomes.filter(({ writtenAt }) => writtenAt !== undefined)
  const others = outcomes.filter(({ writtenAt }) => writtenAt === undefined)
  const winner = writers.length === 1 && survivors === outcomes.length ? writers[0]! : undefined
  return {
    winner,
    adoption: winner === undefined || others.length === 0
      ? undefined
      : Math.max(...others.map(({ endedAt }) => endedAt)) - winner.writtenAt!,
    waiterCpu: winner === undefined ? undefined : middle(others.map(({ cpu }) => cpu))
  }
}

/**
 * Runs one race in a new home.
 *
 * @since 0.1.0
 * @category combinators
 */
export const race = (contender: Contender, count: number, latency: number) =>
  Effect.gen(function*() {
    const { makeHome, processes, provider } = yield* Bench
    const field = yield* processes(count)
    const all = <A, E>(act: (process: typeof field[number]) => Effect.Effect<A, E>) =>
      Effect.forEach(field, act, { concurrency: "unbounded" })

    const home = yield* makeHome
    yield* provider.call("delay", { latency, requests: count * REQUESTS })
    const [login] = yield* provider.call("issue", { server: "slow", count: 1 })
    yield* contender.seed(home, login!)
    yield* all(({ call }) => call("open", { contender: contender.name, home }))

    const before = yield* provider.call("tally")
    const at = Monotonic.now() + COUNTDOWN + count
    const outcomes = yield* all(({ call }) => call("obtain", { at }))
    const after = yield* provider.call("tally")
    const tokens = outcomes.flatMap(({ token }) => token === undefined ? [] : [token])
    const survivors = (yield* provider.call("live", { tokens })).filter(Boolean).length
    yield* all(({ call }) => call("close"))

    const { adoption, waiterCpu, winner } = adoptionOf(outcomes, survivors)
    return {
      processes: count,
      requests: after.requests - before.requests,
      redemptions: after.redemptions - before.redemptions,
      reuses: after.reuses - before.reuses,
      survivors,
      wall: Math.max(...outcomes.map(({ endedAt }) => endedAt)) - at,
      adoption,
      winnerCpu: winner?.cpu,
      waiterCpu,
      errors: [...new Set(outcomes.flatMap(({ error }) => error === undefined ? [] : [error]))]
    } satisfies Race
  })

/**
 * Lets every process refresh a login of its own once, so that no process loads a module or a library during a race.
 *
 * @since 0.1.0
 * @category combinators
 */
export const warmUp = (contender: Contender, count: number) =>
  Effect.gen(function*() {
    const { makeHome, processes, provider } = yield* Bench
    const field = yield* processes(count)
    const logins = yield* provider.call("issue", { server: "fast", count })
    yield* Effect.forEach(field, ({ call }, index) =>
      Effect.gen(function*() {
        const home = yield* makeHome
        yield* contender.seed(home, logins[index]!)
        yield* call("open", { contender: contender.name, home })
        const { error } = yield* call("obtain", {})
        yield* call("close")
        if (error !== undefined) return yield* new NoToken({ message: error })
      }), { concurrency: 8, discard: true })
  })

const hasLostTheLogin = (entry: Entry, count: number): boolean =>
  entry.races.some((one) => one.processes === count && one.reuses > 0)

/**
 * Runs all contenders, in interleaved rounds that begin with another one each time. A contender that lost the login at
 * a size is not asked again to lose it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ among, latency, processes, rounds }: Options) =>
  Effect.gen(function*() {
    const entries: Array<{ -readonly [K in keyof Entry]: Entry[K] }> = []
    const field = Field.contenders.filter(({ name }) => among.length === 0 || among.includes(name))
    for (const contender of field) {
      yield* progress(`${contender.label}: warming up`)
      const warm = yield* Effect.either(warmUp(contender, Math.max(...processes)))
      entries.push({
        name: contender.name,
        label: contender.label,
        races: [],
        ...Either.isLeft(warm) ? { notRun: Remote.reasonOf(warm.left) } : {}
      })
    }
    for (let round = 0; round < rounds; round++) {
      for (const count of processes) {
        yield* progress(`round ${round + 1} of ${rounds}: ${count} processes`)
        for (let index = 0; index < entries.length; index++) {
          const entry = entries[(index + round) % entries.length]!
          if (entry.notRun !== undefined || hasLostTheLogin(entry, count)) continue
          entry.races = [...entry.races, yield* race(Field.named(Field.contenders, entry.name), count, latency)]
        }
      }
    }
    return entries as ReadonlyArray<Entry>
  })
