/**
 * A database that is away in the middle of many refreshes, and comes back with what it had. `LOCKSTEP_REFRESHES` says of how
 * many, and `LOCKSTEP_AWAY` for how many seconds.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import * as Spools from "@lockstep/postgres/Spool"
import type { Outcome } from "@lockstep/testkit/processes/RemoteWorker"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { join } from "node:path"
import * as Fleets from "./support/fleets.js"
import * as FleetStage from "./support/fleetStage.js"

const [installation] = PostgresServer.installations()

const REFRESHES = Number(process.env["LOCKSTEP_REFRESHES"] ?? 40)

const TENANTS = Array.from({ length: REFRESHES }, (_, index) => TenantId.make(`agent-${index}`))
const FRESH = [TenantId.make("fresh-1"), TenantId.make("fresh-2")]
const HOSTS = ["one", "two", "three", "four"]

/** Refreshes that are done when the database goes, that were begun by then, and that are under way at the least. */
const BEFORE = Math.floor(REFRESHES / 3)
const BEGUN = Math.floor(2 * REFRESHES / 3)
const UNDER_WAY = 8

/** Milliseconds for which it is watched that nothing is sent while the database is away. */
const AWAY = Number(process.env["LOCKSTEP_AWAY"] ?? 2) * 1_000

/** A busy machine is no outage. */
const PATIENT = { LOCKSTEP_PROVIDER_TIMEOUT: "1m", LOCKSTEP_REDEEM_LIMIT: "2m", LOCKSTEP_LOCK_TIMEOUT: "5m" }

const POLL = Schedule.spaced("10 millis")

const isDone = ({ event }: Outcome): boolean => event === "done"

describe.skipIf(installation === undefined)("a database that is away", () => {
  it.scopedLive(
    `in the middle of ${REFRESHES} refreshes: what is good is served, answers come home, and nothing is redeemed twice`,
    () =>
      Effect.gen(function*() {
        const postgres = yield* PostgresServer.start(installation!)
        const stage = yield* FleetStage.make(postgres, { tenants: [...TENANTS, ...FRESH] })
        const { answers, ledger } = stage.authorization
        const workers = yield* Effect.forEach(HOSTS, (host) => stage.spawn(host, undefined, PATIENT))
        /** Requests that were sent and not answered, as the workers tell. */
        let sending = 0
        for (const { child } of workers) {
          yield* child.listen(({ event, name, step }) => {
            if (event === "step" && name === "lockstep.refresh.redeem") sending += step === "start" ? 1 : -1
          })
        }
        const workerOf = (index: number) => workers[index % workers.length]!
        const ask = (index: number, tenant: TenantId.TenantId) => workerOf(index).begin({ _tag: "AccessToken", tenant })

        // Each host has a token that is good for an hour in memory.
        for (const tenant of FRESH) {
          for (const worker of workers) assert.isTrue(isDone(yield* worker.run({ _tag: "AccessToken", tenant })))
        }
        const first = yield* Effect.forEach(TENANTS.slice(0, BEFORE), (tenant, index) => ask(index, tenant))
        for (const { outcome } of first) assert.isTrue(isDone(yield* outcome))
        const hold = yield* answers.hold
        const middle = yield* Effect.forEach(TENANTS.slice(BEFORE, BEGUN), (tenant, index) => ask(index, tenant))
        const consumed = yield* Effect.replicateEffect(Queue.take(hold.arrivals), UNDER_WAY)

        yield* postgres.crash
        const rest = yield* Effect.forEach(TENANTS.slice(BEGUN), (tenant, index) => ask(index, tenant))
        for (const { pass } of consumed) yield* pass
        for (const tenant of FRESH) {
          for (const worker of workers) assert.isTrue(isDone(yield* worker.run({ _tag: "AccessToken", tenant })))
        }
        yield* hold.release
        // What was under way has its answer, and that lies where the database cannot take it along.
        yield* Effect.repeat(Effect.sync(() => sending), { until: (left) => left === 0, schedule: POLL })
        const spooled = Effect.forEach(HOSTS, (host) =>
          Spools.make({
            directory: join(stage.homeOf(host), "spool"),
            keys: Fleets.keysOf(Fleets.KEY),
            namespace: ""
          }).tenants)
        yield* Effect.repeat(spooled, {
          until: (all) => all.flatMap(({ unstored }) => unstored).length >= UNDER_WAY,
          schedule: POLL
        })
        const sent = ledger.redemptions.length
        yield* Effect.sleep(AWAY)
        for (const tenant of FRESH) {
          for (const worker of workers) assert.isTrue(isDone(yield* worker.run({ _tag: "AccessToken", tenant })))
        }
        assert.strictEqual(ledger.redemptions.length, sent, "something was redeemed while the database was away")
        assert.isAtMost(sent, BEGUN + FRESH.length)

        yield* postgres.restart
        yield* Effect.forEach([...middle, ...rest], ({ outcome }) => outcome, { concurrency: "unbounded" })
        for (const [index, tenant] of TENANTS.entries()) {
          yield* Effect.repeat(workerOf(index).run({ _tag: "AccessToken", tenant }), { until: isDone, schedule: POLL })
        }
        assert.deepStrictEqual(yield* stage.counts, {
          redemptions: TENANTS.length + FRESH.length,
          reuses: 0,
          revocations: 0
        })
        for (const tenant of [...TENANTS, ...FRESH]) assert.isTrue(yield* stage.lives(tenant), tenant)
        yield* stage.harness.assertNoLeak
      }),
    240_000 + REFRESHES * 4_000
  )
})
