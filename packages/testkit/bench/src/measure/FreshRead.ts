/**
 * What it costs to be given a stored token that is good, in a process that has asked before.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { Bench, progress } from "../Bench.js"
import * as Field from "../Field.js"
import type { Options } from "../Options.js"
import type { Reader } from "../Reader.js"
import * as LockstepReaders from "../reader/LockstepReaders.js"
import * as Statistics from "../Statistics.js"

/**
 * Microseconds of one call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reading {
  readonly name: string
  readonly label: string
  readonly tenants: number
  readonly cost: Statistics.Summary | undefined
  readonly notRun?: string
}

interface Subject {
  readonly reader: Reader
  readonly tenants: number
}

/** Milliseconds that one batch takes at least. */
const BATCH = 40

const GROWING = [LockstepReaders.direct, LockstepReaders.stored, LockstepReaders.cold]

const subjects: ReadonlyArray<Subject> = [
  ...Field.readers.map((reader) => ({ reader, tenants: 1 })),
  ...[100, 1000].flatMap((tenants) => GROWING.map((reader) => ({ reader, tenants })))
]

/**
 * Measures all of them in one process, in interleaved rounds of equally long batches.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ quick }: Options) =>
  Effect.scoped(Effect.gen(function*() {
    const { makeHome, start } = yield* Bench
    const rounds = quick ? 5 : 15
    yield* progress(`reading a fresh token: ${rounds} rounds`)
    const { call } = yield* start

    const prepared = yield* Effect.forEach(subjects, ({ reader, tenants }) =>
      Effect.gen(function*() {
        const home = yield* makeHome
        const batch = (times: number) =>
          Effect.map(call("read", { reader: reader.name, home, tenants, times }), ({ took }) => took)
        // Each tenant is asked for once, so that nothing is cold where it is not to be.
        const first = yield* Effect.either(batch(reader === LockstepReaders.cold ? 1 : tenants))
        if (first._tag === "Left") return { reader, tenants, batch, times: 0, notRun: first.left.message }
        let times = 1
        while ((yield* batch(times)) < BATCH) times *= 2
        return { reader, tenants, batch, times, notRun: undefined }
      }))

    const costs = new Map(prepared.map((one) => [one, [] as Array<number>]))
    for (let round = 0; round < rounds; round++) {
      for (const one of prepared) {
        if (one.notRun === undefined) costs.get(one)!.push((yield* one.batch(one.times)) * 1000 / one.times)
      }
    }
    return prepared.map((one): Reading => ({
      name: one.reader.name,
      label: one.reader.label,
      tenants: one.tenants,
      cost: Statistics.summarise(costs.get(one)!),
      ...one.notRun === undefined ? {} : { notRun: one.notRun }
    }))
  }))
