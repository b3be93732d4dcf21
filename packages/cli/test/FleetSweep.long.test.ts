/** Keepers of two hosts that sweep one database, as real processes, and a strict authorization server. */
import { assert, describe, it } from "@effect/vitest"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as FleetHosts from "./support/FleetHosts.js"
import * as KeeperStage from "./support/KeeperStage.js"

const { installation, make, ok } = FleetHosts

const TENANTS = Array.from({ length: 6 }, (_, at) => `agent-${at}`)

interface Shown {
  readonly lag: number | null
  readonly sessions: ReadonlyArray<{ readonly own: boolean }>
}

describe.skipIf(installation === undefined)("lockstep serve --sweep with PostgreSQL", () => {
  it.scopedLive(
    "refreshes on two hosts what no one asks for, each login once, and keeps what is fresh",
    () =>
      Effect.gen(function*() {
        const { env, other, stage } = yield* make
        const authorization = yield* AuthorizationServer.make()
        const { ledger } = authorization
        yield* SeededHome.write(
          stage.harness.home,
          yield* Effect.forEach(TENANTS, (tenant) => SeededHome.issue(authorization, tenant))
        )
        ok(yield* stage.run(["migrate"], { env }))
        ok(yield* stage.run(["store", "move", "--to", "postgres"], { env }))
        const shown = Effect.map(
          stage.run(["status", "--fleet", "--json"], { env: other }),
          (ran) => JSON.parse(ok(ran)) as Shown
        )
        assert.isAbove((yield* shown).lag!, 0)

        // The first has a claim under way when the second begins.
        const hold = yield* authorization.answers.hold
        const keepers = [yield* KeeperStage.serve(stage, ["--sweep"], env)]
        const { pass } = yield* Queue.take(hold.arrivals)
        keepers.push(yield* KeeperStage.serve(stage, ["--sweep"], other))
        yield* Effect.repeat(shown, { until: ({ sessions }) => sessions.filter(({ own }) => !own).length === 2 })
        yield* pass
        yield* hold.release

        // Nothing is due any more, and each was refreshed by the sweep alone.
        yield* Effect.repeat(shown, { until: ({ lag }) => lag !== null && lag < 0 })
        assert.lengthOf(ledger.redemptions, TENANTS.length)
        assert.sameMembers(ledger.redemptions.map(({ accountId }) => accountId), TENANTS)
        assert.deepStrictEqual([ledger.reuses, ledger.overlaps, ledger.revocations], [[], [], []])

        // What a host serves is what the sweep of either of them brought.
        for (const tenant of TENANTS.slice(0, 1)) {
          const token = ok(yield* stage.run(["token", tenant], { env: other, prints: true })).trim()
          assert.strictEqual((yield* authorization.introspect(token)).sub, tenant)
        }
        assert.lengthOf(ledger.redemptions, TENANTS.length)
        for (const keeper of keepers) {
          const ran = yield* keeper.end()
          assert.strictEqual(ran.code, 143, ran.stderr)
          for (const { value } of ledger.secrets) assert.notInclude(ran.stdout + ran.stderr, value)
        }
      }),
    180_000
  )
})
