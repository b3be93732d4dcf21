/**
 * Two servers, one of which follows the other, and a primary that is gone: what a standby has that waits with every commit,
 * and what one lacks that does not.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import type { Outcome } from "@lockstep/testkit/processes/RemoteWorker"
import * as PostgresPrograms from "@lockstep/testkit/servers/PostgresPrograms"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as TcpRelay from "@lockstep/testkit/servers/TcpRelay"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as FleetStage from "./support/fleetStage.js"

const installation = PostgresPrograms.withBaseBackup()

const TENANTS = Array.from({ length: 4 }, (_, index) => TenantId.make(`agent-${index}`))

/** Longer than a token of this server lives, so that one is redeemed whatever is stored. */
const FOR_ANY = { minTtl: 3_600_000 }

const POLL = Schedule.spaced("10 millis")

/** Asks until it is answered: the database may be on its way to another server. */
const untilDone = <E>(run: Effect.Effect<Outcome, E>) =>
  Effect.repeat(run, { until: ({ event }) => event === "done", schedule: POLL })

type Stage = Effect.Effect.Success<ReturnType<typeof FleetStage.make>>

/** Waits until a query has a row that says yes. */
const until = (server: PostgresServer.PostgresServer, sql: string, database?: string) =>
  Effect.repeat(server.ask(sql, database), { until: ([row]) => row?.["yes"] === true, schedule: POLL })

const cluster = (synchronous: boolean) =>
  Effect.gen(function*() {
    const programs = Option.getOrThrow(installation)
    const primary = yield* PostgresServer.start(programs)
    const network = yield* TcpRelay.make(primary.port)
    const standby = yield* PostgresServer.follow(programs, network.port)
    if (synchronous) {
      yield* primary.ask("alter system set synchronous_standby_names = '*'")
      yield* primary.ask("select pg_reload_conf()")
    }
    yield* until(
      primary,
      `select sync_state = '${synchronous ? "sync" : "async"}' as yes from pg_stat_replication`
    )
    const stage = yield* FleetStage.make(primary, { tenants: TENANTS, servers: [primary.port, standby.port] })
    const generations = (condition: string) =>
      until(
        standby,
        `select ${condition} as yes from lockstep.tenant where namespace = ''`,
        stage.database.name
      )
    return { primary, network, standby, stage, generations }
  })

const allLive = (stage: Stage) =>
  Effect.forEach(TENANTS, (tenant) => Effect.map(stage.lives(tenant), (lives) => assert.isTrue(lives, tenant)))

describe.skipIf(Option.isNone(installation))("a primary that is gone", () => {
  it.scopedLive("takes nothing along where every commit waits for the standby", () =>
    Effect.gen(function*() {
      const { primary, stage, standby } = yield* cluster(true)
      const [first, ...others] = TENANTS
      const one = yield* stage.spawn("one")
      for (const tenant of others) assert.strictEqual((yield* one.run({ _tag: "AccessToken", tenant })).event, "done")
      // And with a request under way: its answer comes home to the server that is there then.
      const hold = yield* stage.authorization.answers.hold
      const asked = yield* one.begin({ _tag: "AccessToken", tenant: first! })
      const answer = yield* Queue.take(hold.arrivals)
      yield* primary.crash
      yield* standby.promote
      yield* answer.pass
      const { error, event } = yield* asked.outcome
      assert.isTrue(event === "done" || error?.["_tag"] === "RotationNotPersisted", JSON.stringify(error))
      const two = yield* stage.spawn("two")
      for (const tenant of TENANTS) {
        yield* untilDone(two.run({ _tag: "AccessToken", tenant }))
      }
      assert.deepStrictEqual(yield* stage.counts, { redemptions: TENANTS.length, reuses: 0, revocations: 0 })
      yield* allLive(stage)
      yield* stage.harness.assertNoLeak
    }))

  for (const survivor of ["the process that refreshed", "only its spool"] as const) {
    it.scopedLive(`costs no login where the standby lacks the last commits and ${survivor} is left`, () =>
      Effect.gen(function*() {
        const { generations, network, primary, stage, standby } = yield* cluster(false)
        const [one, two] = [yield* stage.spawn("one"), yield* stage.spawn("two")]
        for (const tenant of TENANTS) {
          assert.strictEqual((yield* one.run({ _tag: "AccessToken", tenant })).event, "done")
          assert.strictEqual((yield* two.run({ _tag: "AccessToken", tenant })).event, "done")
        }
        yield* generations("min(generation) >= 2")

        yield* network.become("stalled")
        for (const tenant of TENANTS) {
          assert.strictEqual((yield* one.run({ _tag: "Refresh", tenant, acceptRisk: false })).event, "done")
        }
        // A process of another host has heard of it.
        for (const tenant of TENANTS) {
          const { result } = yield* two.run({ _tag: "AccessToken", tenant })
          assert.strictEqual(result?.["generation"], 3)
        }
        const redeemed = yield* stage.counts
        assert.deepStrictEqual(redeemed, { redemptions: 2 * TENANTS.length, reuses: 0, revocations: 0 })
        yield* one.child.signal("SIGSTOP")
        yield* one.child.stopped
        yield* primary.crash
        yield* network.become("cut")
        yield* standby.promote
        yield* generations("max(generation) = 2")

        // It redeems nothing that it knows to be exchanged, and serves what is still good.
        for (const tenant of TENANTS) {
          const refused = yield* two.run({ _tag: "AccessToken", tenant, ...FOR_ANY })
          assert.deepInclude(refused.error, { _tag: "CredentialStoreError", reason: "Superseded" })
          const served = yield* two.run({ _tag: "AccessToken", tenant })
          assert.strictEqual(served.event, "done", JSON.stringify(served))
        }
        assert.deepStrictEqual(yield* stage.counts, redeemed)

        if (survivor === "only its spool") {
          yield* one.child.signal("SIGKILL")
          yield* one.child.exit
          const again = yield* stage.spawn("one")
          yield* again.run({ _tag: "Read", tenant: TENANTS[0]! })
        } else yield* one.child.signal("SIGCONT")
        yield* generations("min(generation) >= 3")
        for (const tenant of TENANTS) {
          yield* untilDone(two.run({ _tag: "Refresh", tenant, acceptRisk: false }))
        }
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 3 * TENANTS.length, reuses: 0, revocations: 0 })
        yield* allLive(stage)
        yield* stage.harness.assertNoLeak
      }))
  }
})
