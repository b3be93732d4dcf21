/**
 * A fleet of real processes on several hosts, with everything done to them that can be done to processes and networks, and
 * the authorization server's ledger as the judge. `LOCKSTEP_REDEMPTIONS` says how long, `LOCKSTEP_SEED` repeats a run.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Faults from "@lockstep/testkit/fleet/Faults"
import * as Fleet from "@lockstep/testkit/fleet/Fleet"
import * as LockstepFleet from "@lockstep/testkit/fleet/LockstepFleet"
import * as NaiveFleet from "@lockstep/testkit/fleet/NaiveFleet"
import * as RedisServer from "@lockstep/testkit/servers/RedisServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fleets from "./support/fleets.js"

const REDEMPTIONS = Number(process.env["LOCKSTEP_REDEMPTIONS"] ?? 24)
const SEED = Number(process.env["LOCKSTEP_SEED"] ?? Math.floor(Math.random() * 2 ** 31))

const MINUTE = 60_000

const options = {
  hosts: 4,
  workers: 8,
  tenants: 16,
  redemptions: REDEMPTIONS,
  patience: 2 * MINUTE + REDEMPTIONS * 1_200,
  latency: 120,
  seed: SEED,
  faults: Faults.KINDS,
  every: 300
}

const CLOCKS = [0, 5 * MINUTE, -5 * MINUTE, 1_000]

const unexplained = ({ reuses }: Fleet.Result) => reuses.filter(({ explanation }) => explanation === undefined)

const told = (result: Fleet.Result): string =>
  `${result.label}: ${result.redemptions} redemptions in ${
    Math.round(result.took / 1_000)
  } s, ${result.overlaps} overlaps, ${unexplained(result).length} reuses beyond what I7 allows and ${
    result.reuses.length - unexplained(result).length
  } that it does, ${result.revocations} logins revoked, ${result.lost} made again; ${JSON.stringify(result.faults)}; ${
    JSON.stringify(result.complaints)
  }; ${result.losses.map(({ explanation, story }) => `lost, ${explanation}: ${story}`).join(" | ")}; ${
    result.reuses.map(({ explanation, story }) => `${explanation}: ${story}`).join(" | ")
  }`

Fleets.onEach((server, name) => {
  if (server.version !== 18 && server.version !== 0) return

  describe(`chaos: ${name}`, () => {
    it.scopedLive(
      `${REDEMPTIONS} redemptions among kills, stops, dropped sessions and broken networks cost no login`,
      () =>
        Effect.gen(function*() {
          console.log(`chaos: LOCKSTEP_SEED=${SEED} LOCKSTEP_REDEMPTIONS=${REDEMPTIONS} repeats this run's faults`)
          const { url } = yield* Fleets.database(server)
          const result = yield* Fleet.run(LockstepFleet.make(url), { ...options, clocks: CLOCKS })
          console.log(told(result))
          assert.isAtLeast(result.redemptions, REDEMPTIONS)
          assert.strictEqual(result.overlaps, 0)
          assert.deepStrictEqual(unexplained(result), [])
          assert.strictEqual(result.mixed, 0)
          assert.deepStrictEqual(result.losses.filter(({ explanation }) => explanation === undefined), [])
          assert.strictEqual(result.living, options.tenants)
          assert.strictEqual(result.stuck, 0)
          assert.deepStrictEqual(result.leaks, [])
        }),
      options.patience + 4 * MINUTE
    )

    const redis = RedisServer.installation()
    it.scopedLive.skipIf(Option.isNone(redis))(
      "the same faults cost logins where a key in Redis with a time to live is the lock",
      () =>
        Effect.gen(function*() {
          const { port } = yield* RedisServer.start(Option.getOrThrow(redis))
          const result = yield* Fleet.run(NaiveFleet.redis(port, 1_000), options)
          console.log(told(result))
          assert.isAtLeast(result.redemptions, REDEMPTIONS)
          assert.strictEqual(result.mixed, 0)
          // That they do is no promise of ours, and in a short run they may not: what is told is what was seen.
          assert.deepStrictEqual(result.leaks, [])
        }),
      options.patience + 4 * MINUTE
    )
  })
})
