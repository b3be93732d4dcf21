import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import * as Crowd from "@lockstep/testkit/fleet/Crowd"
import type { Outcome } from "@lockstep/testkit/processes/RemoteWorker"
import type { Setup } from "@lockstep/testkit/processes/WorkerCommand"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Fleets from "./support/fleets.js"
import * as FleetStage from "./support/fleetStage.js"

const command = { _tag: "AccessToken", tenant: FleetStage.TENANT } as const

type Stage = Effect.Effect.Success<ReturnType<typeof FleetStage.make>>

/** Starts a process that asks for a token and dies at a step of its refresh, and waits until it is dead. */
const dieAt = (stage: Stage, stop: Omit<NonNullable<Setup["stop"]>, "signal">) =>
  Effect.gen(function*() {
    const worker = yield* stage.spawn("one", { ...stop, signal: "SIGKILL" })
    yield* worker.begin(command)
    yield* worker.stopping
    assert.strictEqual((yield* worker.child.exit).signal, "SIGKILL")
  })

const next = (stage: Stage, host = "one") => Effect.flatMap(stage.spawn(host), (worker) => worker.run(command))

// What 1,200 callers on two processors wait for is the machine.
const PATIENT = { LOCKSTEP_PROVIDER_TIMEOUT: "4m", LOCKSTEP_REDEEM_LIMIT: "4m", LOCKSTEP_LOCK_TIMEOUT: "10m" }

const isUnknown = (outcome: Outcome) =>
  assert.deepInclude(outcome.error, { _tag: "ReauthorizationRequired", reason: "OutcomeUnknown" })

const end = (stage: Stage) =>
  Effect.gen(function*() {
    yield* stage.harness.assertNoLeak
    const rows = yield* stage.database.sql(
      `select t::text as row from lockstep.tenant t union all select c::text from lockstep.credential c
        union all select s::text from lockstep.session s`
    )
    const texts = JSON.stringify(rows)
    for (const { value } of stage.authorization.ledger.secrets) assert.notInclude(texts, value)
  })

Fleets.onEach((server, name) => {
  // Each of them takes seconds of a busy machine, and both versions do the same with these statements.
  if (server.version !== 18 && server.version !== 0) return

  describe(`a process that is killed: ${name}`, () => {
    for (
      const stop of [
        { span: "lockstep.refresh.lock", at: "end" },
        { span: "lockstep.refresh.reread", at: "end" },
        { span: "lockstep.refresh.prepare", at: "end" },
        { span: "lockstep.refresh.reserve", at: "end" },
        { span: "lockstep.refresh.intent", at: "start" },
        { span: "lockstep.refresh.intent", at: "end" },
        { span: "lockstep.refresh.redeem", at: "start" }
      ] as const
    ) {
      it.scopedLive(`before its request (${stop.span.slice(17)} ${stop.at}) leaves the tenant to the next one`, () =>
        Effect.gen(function*() {
          const stage = yield* FleetStage.make(server)
          yield* dieAt(stage, stop)
          assert.strictEqual((yield* stage.counts).redemptions, 0)
          assert.strictEqual((yield* next(stage)).event, "done")
          assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
          assert.isTrue(yield* stage.lives())
          yield* end(stage)
        }))
    }

    for (
      const stop of [
        { span: "lockstep.refresh.redeem", at: "end" },
        { span: "lockstep.refresh.capture", at: "start" }
      ] as const
    ) {
      it.scopedLive(`after the answer and before its capture (${stop.span.slice(17)} ${stop.at}) is retried once`, () =>
        Effect.gen(function*() {
          const stage = yield* FleetStage.make(server)
          yield* dieAt(stage, stop)
          isUnknown(yield* next(stage))
          const after = yield* stage.counts
          assert.strictEqual(after.reuses, 1)
          isUnknown(yield* next(stage))
          assert.deepStrictEqual(yield* stage.counts, after)
          yield* end(stage)
        }))
    }

    for (
      const stop of [
        { span: "lockstep.refresh.capture", at: "end" },
        { span: "lockstep.refresh.consumed", at: "start" },
        { span: "lockstep.refresh.consumed", at: "end" },
        { span: "lockstep.refresh.persist", at: "start" },
        { span: "lockstep.refresh.persist", at: "end" }
      ] as const
    ) {
      it.scopedLive(`after the capture (${stop.span.slice(17)} ${stop.at}) has lost nothing for its host`, () =>
        Effect.gen(function*() {
          const stage = yield* FleetStage.make(server)
          yield* dieAt(stage, stop)
          assert.strictEqual((yield* next(stage)).event, "done")
          assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
          assert.strictEqual((yield* stage.stored()).generation, 2)
          assert.isTrue(yield* stage.lives())
          yield* end(stage)
        }))
    }

    it.scopedLive("after the capture is waited for by the other hosts, which send nothing", () =>
      Effect.gen(function*() {
        const stage = yield* FleetStage.make(server)
        yield* dieAt(stage, { span: "lockstep.refresh.consumed", at: "end" })
        const elsewhere = yield* next(stage, "two")
        assert.deepInclude(elsewhere.error, { _tag: "ProviderUnavailable", reason: "Cooldown" })
        assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
        assert.strictEqual((yield* next(stage, "one")).event, "done")
        assert.strictEqual((yield* next(stage, "two")).event, "done")
        assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
        yield* end(stage)
      }))

    it.scopedLive("leaves its tenant to the host that waits", () =>
      Effect.gen(function*() {
        const stage = yield* FleetStage.make(server)
        const holder = yield* stage.spawn("one", { span: "lockstep.refresh.reread", at: "end", signal: "SIGSTOP" })
        yield* holder.begin(command)
        yield* holder.stopping
        const waiter = yield* stage.spawn("two")
        const waiting = yield* waiter.begin(command)
        yield* waiter.step("lockstep.refresh.lock", "start")
        yield* holder.child.signal("SIGKILL")
        assert.strictEqual((yield* waiting.outcome).event, "done")
        assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
        yield* end(stage)
      }))
  })

  describe(`a fleet: ${name}`, () => {
    it.scopedLive("of 100 workers on 12 expired logins redeems each of them once", () =>
      Effect.gen(function*() {
        const tenants = Array.from({ length: 12 }, (_, i) => TenantId.make(`agent-${i}`))
        const stage = yield* FleetStage.make(server, { tenants })
        const hosts = yield* Effect.forEach(Array.from({ length: 5 }, (_, i) => `host-${i}`), (host) =>
          Crowd.start(stage.harness, {
            tenants,
            workers: 20,
            env: { ...stage.env, LOCKSTEP_HOME: stage.homeOf(host), ...PATIENT }
          }))
        const [row] = yield* stage.database.sql(
          `select count(*)::int as present from lockstep.session
            where not pg_try_advisory_xact_lock_shared(presence)`
        )
        assert.isAtLeast(Number(row?.["present"]), 100)
        for (const { go } of hosts) {
          yield* go
        }
        for (const { served } of hosts) {
          const { generations } = yield* served
          assert.deepStrictEqual(
            generations,
            Array.from({ length: 240 }, () =>
              2)
          )
        }
        assert.deepStrictEqual(yield* stage.counts, { redemptions: 12, reuses: 0, revocations: 0 })
        const accounts = stage.authorization.ledger.redemptions.map(({ accountId }) =>
          accountId
        )
        assert.lengthOf([...new Set(accounts)], 12)
        for (const tenant of tenants) assert.isTrue(yield* stage.lives(tenant))
        for (const { finish } of hosts) yield* finish
        yield* end(stage)
      }), 300_000)
  })

  describe(`hosts whose clocks differ: ${name}`, () => {
    for (const minutes of [5, -5]) {
      it.scopedLive(`a host that is ${minutes} minutes ahead writes down the end of a token by the clock of the database`, () =>
        Effect.gen(function*() {
          const stage = yield* FleetStage.make(server)
          const worker = yield* stage.spawn("one", undefined, {}, minutes * 60_000)
          const served = yield* worker.run(command)
          assert.strictEqual(served.event, "done", JSON.stringify(served.error))
          const { expiresAt, obtainedAt } = yield* stage.stored()
          assert.strictEqual(Option.getOrThrow(expiresAt) - Option.getOrThrow(obtainedAt), 3_600)
          assert.approximately(Option.getOrThrow(obtainedAt), Date.now() / 1_000, 60)
          // Another host sees it as it is, and redeems nothing.
          assert.strictEqual((yield* next(stage, "two")).event, "done")
          assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
          yield* end(stage)
        }))
    }
  })

  describe(`a session that is cut: ${name}`, () => {
    it.scopedLive("while the provider answers costs nothing: the answer comes home, and others adopt it", () =>
      Effect.gen(function*() {
        const stage = yield* FleetStage.make(server)
        const hold = yield* stage.authorization.answers.hold
        const worker = yield* stage.spawn("one")
        const asked = yield* worker.begin(command)
        const answer = yield* Queue.take(hold.arrivals)
        const other = yield* stage.spawn("two")
        const waiting = yield* other.begin(command)
        yield* other.step("lockstep.refresh.lock", "start")
        yield* stage.database.sql(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        yield* answer.pass
        assert.strictEqual((yield* asked.outcome).event, "done")
        yield* waiting.outcome
        assert.strictEqual((yield* other.run(command)).event, "done")
        assert.deepStrictEqual(yield* stage.counts, FleetStage.ONCE)
        assert.isTrue(yield* stage.lives())
      }))
  })
})
