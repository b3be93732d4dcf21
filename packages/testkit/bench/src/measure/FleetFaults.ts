/**
 * A fleet under one kind of fault at a time, on each of the locks that fleets are built on.
 *
 * @since 0.1.0
 */
import type { Contender } from "@lockstep/testkit/fleet/Backend"
import type * as Faults from "@lockstep/testkit/fleet/Faults"
import * as Fleet from "@lockstep/testkit/fleet/Fleet"
import * as LockstepFleet from "@lockstep/testkit/fleet/LockstepFleet"
import * as NaiveFleet from "@lockstep/testkit/fleet/NaiveFleet"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as RedisServer from "@lockstep/testkit/servers/RedisServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { progress } from "../Bench.js"
import type { Options } from "../Options.js"

/**
 * What became of one fleet under one kind of fault.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trial {
  readonly label: string
  readonly fault: Faults.Kind | "none"
  /** How often it came. */
  readonly faults: number
  readonly redemptions: number
  readonly overlaps: number
  /** Logins that were revoked, those of the one retry that nothing can prevent apart. */
  readonly revoked: number
  readonly unpreventable: number
  /** Workers that waited for a lock of no one in the end. */
  readonly stuck: number
  /** Milliseconds. */
  readonly took: number
  readonly notRun?: string
}

const KINDS: ReadonlyArray<Trial["fault"]> = ["none", "kill", "freeze", "drop", "cut", "stall"]

/** Milliseconds that a key in Redis lives. */
const TTL = 1_000

const absent = (label: string, notRun: string): Trial => ({
  label,
  notRun,
  fault: "none",
  faults: 0,
  redemptions: 0,
  overlaps: 0,
  revoked: 0,
  unpreventable: 0,
  stuck: 0,
  took: 0
})

/** Milliseconds that a fleet works for, at most: there are 24 of them. */
const WORKS = { full: 40_000, quick: 12_000 }

/** Milliseconds after which a worker that waits for a lock of no one is given up. */
const CLOSES = 10_000

const trial = (contender: Contender, fault: Trial["fault"], quick: boolean) =>
  Effect.map(
    Effect.scoped(Fleet.run(contender, {
      hosts: 4,
      workers: 8,
      tenants: 12,
      redemptions: quick ? 60 : 400,
      patience: WORKS[quick ? "quick" : "full"],
      closing: CLOSES,
      latency: 120,
      // The same faults for all of them.
      seed: 20_260,
      faults: fault === "none" ? [] : [fault],
      every: 300
    })),
    (result): Trial => {
      const unpreventable = result.reuses.filter(({ explanation }) => explanation !== undefined).length
      return {
        label: result.label,
        fault,
        faults: Object.values(result.faults).reduce((sum, count) => sum + count, 0),
        redemptions: result.redemptions,
        overlaps: result.overlaps,
        revoked: Math.max(0, result.revocations - unpreventable),
        unpreventable,
        stuck: result.stuck,
        took: result.took
      }
    }
  )

/**
 * Runs every fleet under every kind of fault, each in a database of its own server.
 *
 * @since 0.1.0
 * @category combinators
 */
export const measure = ({ among, quick }: Options) =>
  Effect.gen(function*() {
    const [installation] = PostgresServer.installations()
    if (installation === undefined) return [absent("fleets on PostgreSQL", "there is no PostgreSQL on this machine")]
    const redis = RedisServer.installation()
    const trials: Array<Trial> = []
    const inPostgres = (make: (url: string) => Contender) =>
      Effect.map(PostgresServer.start(installation), (server) => make(server.url("postgres")))
    const field = [
      ["lockstep", inPostgres(LockstepFleet.make)] as const,
      ...Option.match(redis, {
        onNone: () => [],
        onSome: (program) => [
          ["redis", Effect.map(RedisServer.start(program), ({ port }) => NaiveFleet.redis(port, TTL))] as const
        ]
      }),
      ["advisory", inPostgres((url) => NaiveFleet.postgres(url, "advisory"))] as const,
      ["row", inPostgres((url) => NaiveFleet.postgres(url, "row"))] as const
    ]
    for (const [name, contender] of field) {
      if (among.length > 0 && !among.includes(name)) continue
      for (const fault of KINDS) {
        yield* Effect.scoped(Effect.gen(function*() {
          const one = yield* contender
          yield* progress(`${one.label}: ${fault}`)
          trials.push(yield* trial(one, fault, quick))
        }))
      }
    }
    if (Option.isNone(redis)) trials.push(absent("a Redis key", "there is no redis-server on this machine"))
    return trials as ReadonlyArray<Trial>
  })
