/**
 * Real processes of two hosts that die, are stopped or lose their session at each step of a refresh. They share a database, a
 * strict authorization server and those that live on; each test has a login of its own.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import * as Crowd from "@lockstep/testkit/fleet/Crowd"
import type { Outcome } from "@lockstep/testkit/processes/RemoteWorker"
import type { Setup } from "@lockstep/testkit/processes/WorkerCommand"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Fleets from "./support/fleets.js"
import * as FleetStage from "./support/fleetStage.js"
import type { Server } from "./support/servers.js"

const make = (server: Server) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const stage = yield* FleetStage.make(server, { tenants: [] })
    const survivor = (host: string) => Effect.cached(Scope.extend(stage.spawn(host), scope))
    const survivors = { one: yield* survivor("one"), two: yield* survivor("two") }
    let tenants = 0
    /** A login of its own. */
    const scene = Effect.gen(function*() {
      const tenant = TenantId.make(`agent-${++tenants}`)
      const command = { _tag: "AccessToken", tenant } as const
      yield* stage.login(tenant)
      const spawn = (...options: Parameters<typeof stage.spawn>) => stage.spawn(...options)
      return {
        stage,
        command,
        spawn,
        /** Starts a process that asks for a token and dies at a step of its refresh, and waits until it is dead. */
        dieAt: (stop: Omit<NonNullable<Setup["stop"]>, "signal">, host = "one") =>
          Effect.gen(function*() {
            const worker = yield* spawn(host, { ...stop, signal: "SIGKILL" })
            yield* worker.begin(command)
            yield* worker.stopping
            assert.strictEqual((yield* worker.child.exit).signal, "SIGKILL")
          }),
        /** What a process of a host gets that was there before and is there afterwards. */
        next: (host: keyof typeof survivors = "one") =>
          Effect.flatMap(survivors[host], (worker) => worker.run(command)),
        survivors,
        counts: stage.countsOf(tenant),
        stored: stage.stored(tenant),
        lives: stage.lives(tenant)
      }
    })
    return { stage, scene }
  })

class Shared extends Context.Tag("Shared")<Shared, Effect.Effect.Success<ReturnType<typeof make>>>() {}

const scene = Effect.flatMap(Shared, (shared) => shared.scene)

// What 1,200 callers on two processors wait for is the machine.
const PATIENT = { LOCKSTEP_PROVIDER_TIMEOUT: "4m", LOCKSTEP_REDEEM_LIMIT: "4m", LOCKSTEP_LOCK_TIMEOUT: "10m" }

const isUnknown = (outcome: Outcome) =>
  assert.deepInclude(outcome.error, { _tag: "ReauthorizationRequired", reason: "OutcomeUnknown" })

Fleets.onEach((server, name) => {
  // Each of them takes seconds of a busy machine, and both versions do the same with these statements.
  if (server.version !== 18 && server.version !== 0) return

  layer(Layer.scoped(Shared, make(server)), { excludeTestServices: true, timeout: "4 minutes" })(name, (it) => {
    describe("a process that is killed", () => {
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
        it.scoped(`before its request (${stop.span.slice(17)} ${stop.at}) leaves the tenant to the next one`, () =>
          Effect.gen(function*() {
            const { counts, dieAt, lives, next } = yield* scene
            yield* dieAt(stop)
            assert.strictEqual((yield* counts).redemptions, 0)
            assert.strictEqual((yield* next()).event, "done")
            assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
            assert.isTrue(yield* lives)
          }))
      }

      for (
        const stop of [
          { span: "lockstep.refresh.redeem", at: "end" },
          { span: "lockstep.refresh.capture", at: "start" }
        ] as const
      ) {
        it.scoped(`after the answer and before its capture (${stop.span.slice(17)} ${stop.at}) is retried once`, () =>
          Effect.gen(function*() {
            const { counts, dieAt, next } = yield* scene
            yield* dieAt(stop)
            isUnknown(yield* next())
            const after = yield* counts
            assert.strictEqual(after.reuses, 1)
            isUnknown(yield* next())
            assert.deepStrictEqual(yield* counts, after)
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
        it.scoped(`after the capture (${stop.span.slice(17)} ${stop.at}) has lost nothing for its host`, () =>
          Effect.gen(function*() {
            const { counts, dieAt, lives, next, stored } = yield* scene
            yield* dieAt(stop)
            assert.strictEqual((yield* next()).event, "done")
            assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
            assert.strictEqual((yield* stored).generation, 2)
            assert.isTrue(yield* lives)
          }))
      }

      it.scoped("after the capture is waited for by the other hosts, which send nothing", () =>
        Effect.gen(function*() {
          const { command, counts, dieAt, next, spawn } = yield* scene
          // On a host where no other process brings the answer home.
          yield* dieAt({ span: "lockstep.refresh.consumed", at: "end" }, "three")
          assert.deepInclude((yield* next("two")).error, { _tag: "ProviderUnavailable", reason: "Cooldown" })
          assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
          assert.strictEqual((yield* Effect.flatMap(spawn("three"), (one) => one.run(command))).event, "done")
          assert.strictEqual((yield* next("two")).event, "done")
          assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
        }))

      it.scoped(
        "while the server has its request is retried by its host, which knows that it is dead, and by no other",
        () =>
          Effect.gen(function*() {
            const { command, counts, lives, next, spawn, stage, survivors } = yield* scene
            const hold = yield* stage.authorization.requests.hold
            // Not before the test ends: then the request of the dead one arrives, too.
            yield* Effect.addFinalizer(() => hold.release)
            const killed = yield* spawn("one")
            yield* killed.begin(command)
            yield* Queue.take(hold.arrivals)
            yield* killed.child.signal("SIGKILL")
            yield* killed.child.exit
            const elsewhere = yield* next("two")
            assert.deepInclude(elsewhere.error, { _tag: "ProviderUnavailable", reason: "Cooldown" })
            // Not before the request can have ended, whose sender may live for all that host knows.
            assert.isAbove(Number(elsewhere.error?.["retryAfter"]), 1_000)
            const retried = yield* Effect.flatMap(survivors.one, (worker) => worker.begin(command))
            const { pass } = yield* Queue.take(hold.arrivals)
            yield* pass
            assert.strictEqual((yield* retried.outcome).event, "done")
            assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
            assert.isTrue(yield* lives)
          })
      )

      it.scoped("leaves its tenant to the host that waits", () =>
        Effect.gen(function*() {
          const { command, counts, spawn } = yield* scene
          const holder = yield* spawn("one", { span: "lockstep.refresh.reread", at: "end", signal: "SIGSTOP" })
          yield* holder.begin(command)
          yield* holder.stopping
          const waiter = yield* spawn("two")
          const waiting = yield* waiter.begin(command)
          yield* waiter.step("lockstep.refresh.lock", "start")
          yield* holder.child.signal("SIGKILL")
          assert.strictEqual((yield* waiting.outcome).event, "done")
          assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
        }))
    })

    describe("hosts whose clocks differ", () => {
      for (const minutes of [5, -5]) {
        it.scoped(`a host that is ${minutes} minutes ahead writes down the end of a token by the clock of the database`, () =>
          Effect.gen(function*() {
            const { command, counts, next, spawn, stored } = yield* scene
            const worker = yield* spawn("one", undefined, {}, minutes * 60_000)
            const served = yield* worker.run(command)
            assert.strictEqual(served.event, "done", JSON.stringify(served.error))
            const { expiresAt, obtainedAt } = yield* stored
            assert.strictEqual(Option.getOrThrow(expiresAt) - Option.getOrThrow(obtainedAt), 3_600)
            assert.approximately(Option.getOrThrow(obtainedAt), Date.now() / 1_000, 60)
            // Another host sees it as it is, and redeems nothing.
            assert.strictEqual((yield* next("two")).event, "done")
            assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
          }))
      }
    })

    describe("a session that is cut", () => {
      for (
        const at of [
          { span: "lockstep.refresh.lock", at: "end" },
          { span: "lockstep.refresh.reserve", at: "end" },
          { span: "lockstep.refresh.intent", at: "start" },
          { span: "lockstep.refresh.intent", at: "end" },
          { span: "lockstep.refresh.redeem", at: "end" },
          { span: "lockstep.refresh.capture", at: "end" },
          { span: "lockstep.refresh.persist", at: "start" }
        ] as const
      ) {
        it.scoped(`while its process is stopped (${at.span.slice(17)} ${at.at}) costs nothing`, () =>
          Effect.gen(function*() {
            const { command, counts, lives, next, spawn, stage } = yield* scene
            const worker = yield* spawn("one", { ...at, signal: "SIGSTOP" })
            const asked = yield* worker.begin(command)
            yield* worker.stopping
            yield* worker.child.stopped
            yield* stage.database.sql("select pg_terminate_backend(backend) from lockstep.session where pid = $1", [
              worker.child.pid
            ])
            yield* worker.child.signal("SIGCONT")
            // Nothing was sent where it was too late for that, and it is told to try again.
            yield* asked.outcome
            yield* Effect.repeat(worker.run(command), { until: ({ event }) => event === "done" })
            assert.strictEqual((yield* next("two")).event, "done")
            assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
            assert.isTrue(yield* lives)
          }))
      }

      it.scoped("while the provider answers costs nothing: the answer comes home, and others adopt it", () =>
        Effect.gen(function*() {
          const { command, counts, lives, spawn, stage } = yield* scene
          const hold = yield* stage.authorization.answers.hold
          const worker = yield* spawn("one")
          const asked = yield* worker.begin(command)
          const answer = yield* Queue.take(hold.arrivals)
          const other = yield* spawn("two")
          const waiting = yield* other.begin(command)
          yield* other.step("lockstep.refresh.lock", "start")
          yield* stage.database.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
          )
          yield* answer.pass
          yield* hold.release
          assert.strictEqual((yield* asked.outcome).event, "done")
          yield* waiting.outcome
          assert.strictEqual((yield* other.run(command)).event, "done")
          assert.deepStrictEqual(yield* counts, FleetStage.ONCE)
          assert.isTrue(yield* Effect.retry(lives, { times: 1 }))
        }))
    })

    describe("all of this", () => {
      it.scoped("has shown no token in an output, an argument, a file name or a row", () =>
        Effect.flatMap(Shared, ({ stage }) => stage.assertNoLeak))
    })
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
          }), { concurrency: 2 })
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
        yield* stage.assertNoLeak
      }), 300_000)
  })
})
