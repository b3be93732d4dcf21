/**
 * What every measurement works with: a folder, an authorization server and processes that take part, all of them real.
 *
 * @since 0.1.0
 */
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Participant } from "./Participant.js"
import type { Provider } from "./Provider.js"
import * as Remote from "./Remote.js"

/**
 * A process that takes part.
 *
 * @since 0.1.0
 * @category models
 */
export type Process = Remote.Remote<Participant>

/**
 * What every measurement works with.
 *
 * @since 0.1.0
 * @category services
 */
export class Bench extends Context.Tag("@lockstep/bench/Bench")<Bench, {
  /** An environment with nothing of ours in it: above all no NODE_EXTRA_CA_CERTS, which slows every start of Node 20. */
  readonly environment: Readonly<Record<string, string>>
  /** Where processes of other kinds are started. */
  readonly harness: ProcessHarness.ProcessHarness
  readonly provider: Remote.Remote<Provider>
  /** Makes a folder of its own. */
  readonly makeHome: Effect.Effect<string>
  /** Starts a process of its own, for the rest of the scope. */
  readonly start: Effect.Effect<Process, unknown, Scope.Scope>
  /** The first so many of the processes that live until the end; those that are missing are started. */
  readonly processes: (count: number) => Effect.Effect<ReadonlyArray<Process>, unknown>
}>() {}

/**
 * Says on stderr what is going on.
 *
 * @since 0.1.0
 * @category combinators
 */
export const progress = (text: string): Effect.Effect<void> => Effect.sync(() => console.error(`  ${text}`))

/**
 * Starts the server; the processes are started when they are first needed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Bench> = Layer.scoped(
  Bench,
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const harness = yield* ProcessHarness.make({ secrets: () => [] })
    const provider = yield* Remote.spawn<Provider>(harness, "Provider.ts")
    const start = Remote.spawn<Participant>(harness, "Participant.ts")
    const pool: Array<Process> = []
    let homes = 0
    return Bench.of({
      environment: harness.environment,
      harness,
      provider,
      makeHome: Effect.sync(() => {
        const home = join(dirname(harness.home), `home-${++homes}`)
        mkdirSync(home, { mode: 0o700 })
        return home
      }),
      start,
      processes: (count) =>
        Effect.gen(function*() {
          const missing = Array.from({ length: Math.max(0, count - pool.length) }, () => Scope.extend(start, scope))
          pool.push(...yield* Effect.all(missing, { concurrency: 4 }))
          return pool.slice(0, count)
        })
    })
  }).pipe(Effect.orDie)
)
