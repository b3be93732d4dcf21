/**
 * Ctrl-C while the database is silent, frozen or away. What is waited for is a request to the provider, and no server that
 * does not answer: it would keep the process for as long as it takes to be given up, and no person waits that long.
 */
import { assert, describe, it } from "@effect/vitest"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as RawServer from "@lockstep/testkit/servers/RawServer"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import Pg from "pg"
import * as FleetHosts from "./support/FleetHosts.js"

const { installation, make: hosts, ok } = FleetHosts

const LOOKING = [["token", "codex"], ["refresh", "codex"], ["status", "--fleet"], ["evict", "abcd"]] as const

/** A table that each has to wait for: when its session stands, or while it begins one. */
const tableOf = ([command]: ReadonlyArray<string>): string =>
  command === "evict" || command === "migrate" ? "lockstep.fleet" : "lockstep.credential"

/** A database with one login, which has ended, and a session beside those of the commands. */
const shared = Effect.gen(function*() {
  const all = yield* hosts
  const { env, postgres, stage } = all
  ok(yield* stage.run(["migrate"], { env }))
  yield* stage.seed({})
  ok(yield* stage.run(["store", "move", "--to", "postgres"], { env }))
  const beside = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Pg.Client({ connectionString: postgres.url("postgres") })
      client.on("error", () => {})
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end().catch(() => {}))
  )
  const sql = (text: string) =>
    Effect.promise(async () => (await beside.query(text)).rows as ReadonlyArray<Readonly<Record<string, unknown>>>)
  return { ...all, env: { ...env, LOCKSTEP_STORE: "postgres" }, sql }
})

type Shared = Effect.Effect.Success<typeof shared>

/** The processes of the server that answer commands, once there are as many as that. */
const backends = ({ postgres }: Shared, count: number, where = "") =>
  postgres.ask(`select pid from pg_stat_activity where application_name = 'lockstep' ${where} order by backend_start`)
    .pipe(
      Effect.filterOrFail((rows) => rows.length >= count),
      Effect.retry(Schedule.spaced("20 millis")),
      Effect.map((rows) => rows.map(({ pid }) => Number(pid)))
    )

/** Stops processes of the server until the scope closes. */
const freeze = (pids: ReadonlyArray<number>) =>
  Effect.acquireRelease(
    Effect.sync(() => pids.forEach((pid) => process.kill(pid, "SIGSTOP"))),
    () => Effect.sync(() => pids.forEach((pid) => process.kill(pid, "SIGCONT")))
  )

/** The one that is told to end does, and before one that began to wait earlier and is told nothing gives up by itself. */
const assertEndsFirst = (told: ChildProcess.Child, other: ChildProcess.Child) =>
  Effect.gen(function*() {
    yield* told.signal("SIGINT")
    const first = yield* Effect.raceFirst(Effect.as(told.exit, "told"), Effect.as(other.exit, "other"))
    const { code } = yield* told.exit
    assert.deepStrictEqual([first, code], ["told", 130], yield* told.stderr)
  })

describe.skipIf(installation === undefined)("SIGINT and a database", () => {
  for (const args of [...LOOKING, ["migrate", "--check"]] as const) {
    it.scopedLive(`${args.join(" ")}: a server that is silent is left, and the next one of the address not asked`, () =>
      Effect.gen(function*() {
        const { env, stage, write } = yield* hosts
        const silent = yield* RawServer.make(() => {})
        const next = yield* RawServer.make(() => {})
        const child = yield* stage.start(args, {
          env: {
            ...env,
            LOCKSTEP_STORE: "postgres",
            LOCKSTEP_POSTGRES_URL_FILE: write(
              "silent",
              `postgres://x@127.0.0.1:${silent.port},127.0.0.1:${next.port}/z`
            )
          }
        })
        yield* Queue.take(silent.accepted)
        yield* child.signal("SIGINT")
        assert.strictEqual((yield* child.exit).code, 130, yield* child.stderr)
        assert.strictEqual(yield* Queue.size(next.accepted), 0)
      }))

    it.scopedLive(`${args.join(" ")}: a statement that a frozen server has is left`, () =>
      Effect.gen(function*() {
        const stage = yield* shared
        yield* stage.sql(`begin; lock table ${tableOf(args)}`)
        const start = stage.stage.harness.spawn({ args: [stage.stage.bin, ...args], env: stage.env, barrier: true })
        const [other, told] = [yield* start, yield* start]
        yield* Effect.zip(other.ready, told.ready)
        yield* other.go
        yield* backends(stage, 1, "and wait_event_type = 'Lock'")
        yield* told.go
        yield* freeze(yield* backends(stage, 2, "and wait_event_type = 'Lock'"))
        yield* assertEndsFirst(told, other)
      }))
  }

  it.scopedLive("a redemption is waited for; its answer waits in the spool, and the tenant is free once the session is gone", () =>
    Effect.gen(function*() {
      const stage = yield* shared
      const { env, stage: { bin, finish, harness, run, server } } = stage
      const gate = yield* Deferred.make<void>()
      yield* server.script(ServerBehaviour.heldBack(gate))
      const child = yield* harness.spawn({ args: [bin, "token", "codex"], env, barrier: true })
      yield* Effect.zipRight(child.ready, child.go)
      yield* Queue.take(server.arrivals)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* freeze(yield* backends(stage, 1))
        yield* child.signal("SIGINT")
        yield* child.heard(1)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* finish(child)).code, 130)
      }))
      const token = ok(yield* run(["token", "codex"], { env, prints: true })).trim()
      assert.isTrue(server.isLive(token))
      assert.lengthOf(server.redemptions, 1)
    }))

  it.scopedLive("a server that goes away in the middle is told of, and one that comes back finds no tenant held", () =>
    Effect.gen(function*() {
      const stage = yield* shared
      const { env, postgres, stage: { finish, run, server, start } } = stage
      yield* stage.sql("begin; lock table lockstep.credential")
      const children = yield* Effect.forEach(LOOKING, (args) => start(args, { env }))
      // The one that evicts needs no credential, and is told that there is no such session.
      yield* backends(stage, LOOKING.length - 1, "and wait_event_type = 'Lock'")
      yield* postgres.crash
      for (const child of children) assert.include([2, 6], (yield* finish(child)).code, yield* child.stderr)
      yield* postgres.restart
      ok(yield* run(["token", "codex"], { env, prints: true }))
      assert.lengthOf(server.redemptions, 1)
    }))
})
