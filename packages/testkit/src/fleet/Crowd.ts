/**
 * A crowd of workers in a few processes, seen from the one that lets it go.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Bundle from "../processes/Bundle.js"
import type * as ChildProcess from "../processes/ChildProcess.js"
import type * as ProcessHarness from "../processes/ProcessHarness.js"

const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./FleetCrowd.ts" : "./FleetCrowd.js", import.meta.url)

/**
 * What the workers of one process got, each for each tenant.
 *
 * @since 0.1.0
 * @category models
 */
export interface Served {
  readonly generations: ReadonlyArray<number>
  /** When, on the monotonic clock, in nanoseconds. */
  readonly times: ReadonlyArray<bigint>
}

/**
 * One process of a crowd, whose workers all have their session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Crowd {
  /** Lets all of them ask at once. */
  readonly go: Effect.Effect<void>
  readonly served: Effect.Effect<Served, ChildProcess.EndedEarly>
  readonly finish: Effect.Effect<void>
}

/**
 * Starts a process with so many workers, and waits until each of them has its session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  harness: ProcessHarness.ProcessHarness,
  { env, ...setup }: {
    readonly env: Readonly<Record<string, string>>
    readonly tenants: ReadonlyArray<string>
    readonly workers: number
  }
): Effect.Effect<Crowd, ChildProcess.EndedEarly, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* harness.spawn({ args: [yield* Bundle.make(ENTRY), JSON.stringify(setup)], env })
    yield* child.message(({ event }) => event === "ready")
    return {
      go: child.send({}),
      served: Effect.map(child.message(({ event }) => event === "served"), (message) => ({
        generations: message["generations"] as ReadonlyArray<number>,
        times: (message["times"] as ReadonlyArray<string>).map(BigInt)
      })),
      finish: Effect.asVoid(Effect.zipRight(child.closeStdin, child.exit))
    }
  })
