/**
 * A database that is away in the middle of many refreshes, and comes back with what it had. `LOCKSTEP_REFRESHES` says of how
 * many.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import type { Outcome } from "@lockstep/testkit/processes/RemoteWorker"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as FleetStage from "./support/fleetStage.js"

const [installation] = PostgresServer.installations()

const REFRESHES = Number(process.env["LOCKSTEP_REFRESHES"] ?? 60)

const TENANTS = Array.from({ length: REFRESHES }, (_, index) => TenantId.make(`agent-${index}`))
const FRESH = [TenantId.make("fresh-1"), TenantId.make("fresh-2")]
const HOSTS = ["one", "two", "three", "four"]

/** Redemptions after which the database goes, and how many more are under way by then. */
const BEFORE = Math.floor(REFRESHES / 3)
const UNDER_WAY = 8

/** What stands for a minute: longer than a statement, an answer and a connection are waited for in sum. */
const AWAY = "8 seconds"

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
        const workerOf = (index: number) => workers[index % workers.length]!
        const ask = (index: number, tenant: TenantId.TenantId) => workerOf(index).begin({ _tag: "AccessToken", tenant })

        // Each host has a token that is good for an hour in memory.
        for (const tenant of FRESH) {
          for (const worker of workers) assert.isTrue(isDone(yield* worker.run({ _tag: "AccessToken", tenant })))
        }
        const first = yield* Effect.forEach(TENANTS.slice(0, BEFORE), (tenant, index) => ask(index, tenant))
        for (const { outcome } of first) assert.isTrue(isDone(yield* outcome))
        const hold = yield* answers.hold
        const rest = yield* Effect.forEach(TENANTS.slice(BEFORE), (tenant, index) => ask(index, tenant))
        const consumed = yield* Effect.replicateEffect(Queue.take(hold.arrivals), UNDER_WAY)

        yield* postgres.crash
        for (const { pass } of consumed) yield* pass
        for (const tenant of FRESH) {
          for (const worker of workers) assert.isTrue(isDone(yield* worker.run({ _tag: "AccessToken", tenant })))
        }
        yield* hold.release
        yield* Effect.sleep(AWAY)
        const sent = ledger.redemptions.length
        yield* Effect.sleep(AWAY)
        assert.strictEqual(ledger.redemptions.length, sent, "something was redeemed while the database was away")
        assert.isBelow(sent, TENANTS.length)

        yield* postgres.restart
        yield* Effect.forEach(rest, ({ outcome }) => outcome, { concurrency: "unbounded" })
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
