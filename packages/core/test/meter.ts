/** What an effect moved on the metrics of this process, and by how much. Histograms move by the number of what they saw. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"

type Reading = Readonly<Record<string, number>>

const LOCK_WAIT = "lockstep.lock.wait"

const valueOf = (state: MetricState.MetricState.Untyped): number =>
  MetricState.isHistogramState(state)
    ? state.count
    : MetricState.isCounterState(state)
    ? Number(state.count)
    : MetricState.isGaugeState(state)
    ? Number(state.value)
    : Number.NaN

/** Every metric of ours by its name and the values of its labels in the order of their names, the unit left out. */
export const reading: Effect.Effect<Reading> = Effect.map(Metric.snapshot, (pairs) =>
  Object.fromEntries(
    pairs.filter(({ metricKey: { name } }) => name.startsWith("lockstep.")).map(({ metricKey, metricState }) => [
      [
        metricKey.name.slice("lockstep.".length),
        ...metricKey.tags.filter(({ key }) => key !== "unit")
          .sort((a, b) => a.key < b.key ? -1 : 1)
          .map(({ value }) => value)
      ].join(" "),
      valueOf(metricState)
    ])
  ))

/** Everything that moved since a reading, waits for locks aside. */
export const since = (before: Reading): Effect.Effect<Reading> =>
  Effect.map(reading, (after) =>
    Object.fromEntries(
      Object.entries(after)
        .map(([name, value]) => [name, value - (before[name] ?? 0)] as const)
        .filter(([name, change]) => change !== 0 && !`lockstep.${name}`.startsWith(LOCK_WAIT))
    ))

/** Everything that an effect moved, waits for locks aside, however it ends. */
export const moved = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Reading, never, R> =>
  Effect.flatMap(reading, (before) => Effect.zipRight(Effect.exit(effect), since(before)))
