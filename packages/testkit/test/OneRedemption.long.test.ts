import { assert, describe, it } from "@effect/vitest"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import * as Race from "@lockstep/testkit/race/Race"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readFileSync } from "node:fs"
import * as Command from "./Command.js"
import * as Stage from "./Stage.js"

// So many processes on two cores starve each other for longer than the bounds of a person's machine allow for.
const patience = {
  LOCKSTEP_PROVIDER_TIMEOUT: "100s",
  LOCKSTEP_REDEEM_LIMIT: "120s",
  LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "60s",
  LOCKSTEP_LOCK_TIMEOUT: "300s"
}

const lockstep = Effect.map(
  Command.entry,
  (entry): Race.Contender => ({
    journals: true,
    args: (_file, tenant) => [entry, "token", tenant],
    env: patience
  })
)

const naive = Effect.map(
  Bundle.make(new URL("../src/race/NaiveClient.ts", import.meta.url)),
  (entry): Race.Contender => ({ journals: false, args: (file, tenant) => [entry, file, tenant] })
)

const counted = ({ leaks, logins, server, survivors }: Race.Result) => ({ leaks, logins, server, survivors })

describe("one redemption", () => {
  it.scopedLive("64 processes find one expired login: one redeems, all have its token", () =>
    Effect.gen(function*() {
      const result = yield* Race.run(yield* lockstep, { processes: 64, tenants: 1, latency: 100 })
      assert.deepStrictEqual(counted(result), { leaks: [], logins: 1, server: Stage.ONCE, survivors: 64 })
      assert.strictEqual(result.runners.filter(({ did }) => did === "redeemed").length, 1)
      assert.strictEqual(result.runners.filter(({ did }) => did === "adopted").length, 63)
      assert.isTrue(Race.isClean(result))
    }), 180_000)

  it.scopedLive(
    "12 logins with 5 processes each: one redemption each, and no login is lost from the file",
    () =>
      Effect.gen(function*() {
        const result = yield* Race.run(yield* lockstep, { processes: 60, tenants: 12, latency: 100 })
        assert.deepStrictEqual(counted(result), {
          leaks: [],
          logins: 12,
          server: { redemptions: 12, reuses: 0, refusals: 0, revocations: 0 },
          survivors: 60
        })
        assert.strictEqual(result.runners.filter(({ did }) => did === "redeemed").length, 12)
      }),
    180_000
  )

  it.scopedLive("the same without locks: the second refresh ends the login of all", () =>
    Effect.gen(function*() {
      const result = yield* Race.run(yield* naive, { processes: 8, tenants: 1, latency: 1_500 })
      assert.isAbove(result.server.reuses, 0)
      assert.deepStrictEqual([result.server.revocations, result.survivors, result.logins], [1, 0, 0])
      assert.isFalse(Race.isClean(result))
    }))

  it.scopedLive("a login whose provider is slow delays no other login and no reader", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make(["slow", "quick"])
      const hold = yield* stage.server.requests.hold
      const slow = yield* RemoteWorker.spawn(stage.harness)
      const waiting = yield* slow.begin({ _tag: "AccessToken", tenant: "slow" })
      const held = yield* Queue.take(hold.arrivals)
      assert.strictEqual(held.who, stage.first["slow"])

      const quick = yield* RemoteWorker.spawn(stage.harness)
      const asked = yield* quick.begin({ _tag: "AccessToken", tenant: "quick" })
      const other = yield* Queue.take(hold.arrivals)
      assert.strictEqual(other.who, stage.first["quick"])
      yield* other.pass
      assert.strictEqual((yield* asked.outcome).event, "done")
      const read = yield* quick.run({ _tag: "Read", tenant: "slow" })
      assert.deepInclude(read.result, { generation: 1, refreshToken: stage.first["slow"] })

      yield* held.pass
      assert.strictEqual((yield* waiting.outcome).event, "done")
      assert.deepStrictEqual((yield* stage.counts).redemptions, 2)
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("callers of many processes who were all told 401 cause one redemption", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const rejected = stage.logins[0]!.access_token
      const workers = yield* Effect.replicateEffect(RemoteWorker.spawn(stage.harness), 4)
      const outcomes = yield* Effect.forEach(
        workers,
        (worker) => worker.run({ _tag: "Recover", tenant: Stage.TENANT, rejected }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.strictEqual(new Set(outcomes.map(({ result }) => result!["accessToken"])).size, 1)
      yield* stage.harness.assertNoLeak
    }))

  it.scopedLive("processes that write different logins of one file lose none of their writes", () =>
    Effect.gen(function*() {
      const tenants = ["a", "b", "c", "d"]
      const stage = yield* Stage.make(tenants)
      const workers = yield* Effect.replicateEffect(RemoteWorker.spawn(stage.harness), 4)
      const outcomes = yield* Effect.forEach(
        workers,
        (worker) => worker.run({ _tag: "ModifyMany", tenants, count: 10 }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(outcomes.map(({ result }) => result), workers.map(() => ({ written: 40 })))
      for (const tenant of tenants) assert.strictEqual((yield* stage.stored(tenant)).generation, 41)
      assert.strictEqual((JSON.parse(readFileSync(stage.file, "utf8")) as { version: number }).version, 1)
    }))
})

describe("a caller who gives up", () => {
  it.scopedLive("ends neither the redemption nor its persistence, nor the wait of another process", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const hold = yield* stage.server.requests.hold
      const first = yield* RemoteWorker.spawn(stage.harness)
      const asked = yield* first.begin({ _tag: "AccessToken", tenant: Stage.TENANT })
      const sent = yield* Queue.take(hold.arrivals)
      const second = yield* RemoteWorker.spawn(stage.harness)
      const waiting = yield* second.begin({ _tag: "AccessToken", tenant: Stage.TENANT })
      yield* second.step("lockstep.refresh.lock", "start")
      yield* first.run({ _tag: "Cancel", command: asked.id })
      assert.strictEqual((yield* asked.outcome).event, "cancelled")
      yield* sent.pass
      assert.strictEqual((yield* waiting.outcome).event, "done")
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
      assert.strictEqual((yield* stage.stored()).refreshToken, stage.server.ledger.redemptions[0]!.successor)
    }))
})

describe("a process that is stopped while it holds the lock", () => {
  it.scopedLive("is named to a process that waits too long, and finishes its work when it is continued", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const holder = yield* RemoteWorker.spawn(stage.harness, {
        setup: { stop: { span: "lockstep.refresh.reread", at: "end", signal: "SIGSTOP" } }
      })
      const asked = yield* holder.begin({ _tag: "AccessToken", tenant: Stage.TENANT })
      yield* holder.stopping
      yield* holder.child.stopped
      const waiter = yield* RemoteWorker.spawn(stage.harness, {
        env: {
          LOCKSTEP_LOCK_TIMEOUT: "600ms",
          LOCKSTEP_REDEEM_LIMIT: "200ms",
          LOCKSTEP_QUIET_TIME: "100ms",
          LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "100ms",
          LOCKSTEP_PERSIST_RETRY: "100ms"
        }
      })
      const { error } = yield* waiter.run({ _tag: "AccessToken", tenant: Stage.TENANT })
      assert.strictEqual(error!["_tag"], "LockTimeout")
      assert.include(String(error!["message"]), `process ${holder.child.pid}`)
      assert.include(String(error!["message"]), "which is stopped")
      yield* holder.child.signal("SIGCONT")
      assert.strictEqual((yield* asked.outcome).event, "done")
      assert.deepStrictEqual(yield* stage.counts, Stage.ONCE)
    }))
})
