import { assert, describe, it } from "@effect/vitest"
import { CapturedAnswer } from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Keys from "@lockstep/node/secrets/SealingKeys"
import * as Spool from "@lockstep/postgres/Spool"
import * as PgBouncer from "@lockstep/testkit/servers/PgBouncer"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import type PgType from "pg"
import * as FleetHosts from "./support/FleetHosts.js"
import * as Stage from "./support/Stage.js"

const { installation, ok } = FleetHosts
const Pg = createRequire(new URL("../../postgres/package.json", import.meta.url))("pg") as typeof PgType

/** A database with the login `codex`, which has expired, and what its owner asks of it. */
const fleetOn = (hostsMade: typeof FleetHosts.make) =>
  Effect.gen(function*() {
    const hosts = yield* hostsMade
    const { env, postgres, stage } = hosts
    ok(yield* stage.run(["migrate"], { env }))
    yield* stage.seed({}, { tenant: "fresh", left: 3_600 })
    ok(yield* stage.run(["store", "move", "--to", "postgres"], { env }))
    const client = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const made = new Pg.Client({ connectionString: postgres.url("postgres") })
        made.on("error", () => {})
        await made.connect()
        return made
      }),
      (made) => Effect.promise(() => made.end().catch(() => {}))
    )
    const sql = (text: string, values: ReadonlyArray<unknown> = []) =>
      Effect.promise(async () => (await client.query(text, [...values])).rows as Array<Record<string, unknown>>)
    const run = (args: ReadonlyArray<string>, more: Readonly<Record<string, string>> = {}, prints = false) =>
      Effect.tap(
        stage.run(args, { env: { ...hosts.other, ...more }, prints }),
        ({ stderr, stdout }) =>
          Effect.sync(() => {
            assert.notInclude(stderr + stdout, postgres.password)
            assert.notInclude(stderr + stdout, hosts.key)
          })
      )
    const shown = Effect.map(run(["status", "--fleet", "--json"]), (ran) => JSON.parse(ok(ran)) as Shown)
    const doctor = (more: Readonly<Record<string, string>> = {}) =>
      Effect.map(
        run(["doctor", "--offline", "--json"], more),
        ({ stdout }) =>
          (JSON.parse(stdout) as { checks: ReadonlyArray<Checked> }).checks
            .filter(({ check }) => check === "fleet").flatMap(({ findings }) => findings)
      )
    return { ...hosts, sql, run, shown, doctor }
  })

const fleet = fleetOn(FleetHosts.make)

interface Checked {
  readonly check: string
  readonly findings: ReadonlyArray<
    { readonly kind: string; readonly code: string; readonly message: string; readonly advice: string }
  >
}

interface Shown {
  readonly logins: number
  readonly lag: number | null
  readonly sessions: ReadonlyArray<
    { readonly id: string; readonly pid: number; readonly holds: number; readonly own: boolean }
  >
  readonly leases: ReadonlyArray<{ readonly tenant: string; readonly pid: number; readonly sending: boolean }>
  readonly spool: { readonly waiting: ReadonlyArray<string>; readonly age: number }
}

describe.skipIf(installation === undefined)("the operators of a fleet", () => {
  it.scopedLive(
    "see sessions, leases, lag and spool, and end a session that holds what others need",
    () =>
      Effect.gen(function*() {
        const { env, run, shown, sql, stage } = yield* fleet
        const gate = yield* Deferred.make<void>()
        yield* stage.server.script(ServerBehaviour.heldBack(gate))
        const patient = { ...env, LOCKSTEP_REDEEM_LIMIT: "4m", LOCKSTEP_LOCK_TIMEOUT: "10m" }
        const child = yield* stage.start(["token", "codex"], { env: patient })
        yield* Queue.take(stage.server.arrivals)

        const view = yield* shown
        assert.strictEqual(view.logins, 2)
        assert.isNumber(view.lag)
        assert.deepInclude(view.leases, { ...view.leases[0]!, tenant: "codex", sending: true })
        const holder = view.sessions.find(({ holds }) => holds === 1)!
        assert.strictEqual(holder.pid, view.leases[0]!.pid)
        assert.lengthOf(view.sessions.filter(({ own }) => own), 1)
        const text = ok(yield* run(["status", "--fleet"]))
        for (const word of ["SESSION", "LEASE", holder.id, "codex", "waits for its answer", "nothing waits in"]) {
          assert.include(text, word)
        }

        Stage.assertTold(yield* run(["evict", holder.id]), 2, /has sent a request for codex/)
        Stage.assertTold(yield* run(["evict", "no-session"]), 2, /no session is called/)
        Stage.assertTold(yield* run(["evict", "00"]), 2, /no session is called/)
        assert.isTrue((yield* shown).leases[0]!.sending)
        const evicted = JSON.parse(ok(yield* run(["evict", holder.id.slice(0, 8).toUpperCase(), "--force", "--json"])))
        assert.deepInclude(evicted, { evicted: true, session: holder.id, held: ["codex"], sending: ["codex"] })

        // Its process lives: under its next session it holds what none has taken, and brings its answer home.
        yield* Effect.repeat(shown, {
          until: ({ leases, sessions }) =>
            leases.length === 1 &&
            sessions.some(({ holds, id, pid }) => holds === 1 && pid === holder.pid && id !== holder.id)
        })
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* stage.finish(child, { prints: true })).code, 0)
        assert.lengthOf(stage.server.redemptions, 1)

        // A session that has ended and left its row behind.
        yield* sql(
          `insert into lockstep.session (presence, backend, host, pid, start_time, boot_id, command)
          values (x'00000000deadbeef'::bigint, pg_backend_pid(), 'gone', 1, '1', 'b', 'lockstep')`
        )
        assert.include(ok(yield* run(["evict", "00000000dead"])), "had ended already")
        assert.lengthOf(yield* sql("select 1"), 1)
        Stage.assertTold(yield* run(["status", "--fleet", "codex"]), 2, /shows the database/)
        Stage.assertTold(
          yield* stage.run(["--store", "file", "status", "--fleet"], { env: { LOCKSTEP_HOME: "/nowhere" } }),
          2,
          /store is file/
        )
      }),
    180_000
  )

  it.scopedLive(
    "take the trust from what a backup brought back: access tokens serve, and only a person refreshes",
    () =>
      Effect.gen(function*() {
        const { run, stage } = yield* fleet
        const before = new Date(Date.now() - 1_000).toISOString()
        Stage.assertTold(yield* run(["restored", "--before", "2999-01-01T00:00:00Z"]), 2, /lies in the future/)
        assert.strictEqual((yield* run(["restored", "--before", "yesterday"])).code, 2)
        assert.deepInclude(JSON.parse(ok(yield* run(["restored", "--before", before, "--json"]))), {
          distrusted: ["codex", "fresh"],
          kept: []
        })
        const refused = yield* run(["token", "codex"])
        assert.strictEqual(refused.code, 3, refused.stderr)
        assert.notStrictEqual(ok(yield* run(["token", "fresh"], {}, true)), "")
        assert.strictEqual((yield* run(["refresh", "codex"])).code, 3)
        assert.lengthOf(stage.server.redemptions, 0)
        assert.include(ok(yield* run(["status", "codex", "--history"])), "restored")

        ok(yield* run(["refresh", "codex", "--accept-risk"]))
        assert.lengthOf(stage.server.redemptions, 1)
        // It may be run again: what was obtained since is trusted.
        const again = ok(yield* run(["restored", "--before", before]))
        assert.include(again, "0 logins")
        assert.include(again, "2 others")
        assert.notStrictEqual(ok(yield* run(["token", "codex"], {}, true)), "")
      }),
    180_000
  )

  it.scopedLive(
    "are told by the doctor of a clock, a lease, a key and the age of the spool",
    () =>
      Effect.gen(function*() {
        const { doctor, key, otherHome, sql, write } = yield* fleet
        const codes = (found: ReadonlyArray<{ readonly code: string }>) => found.map(({ code }) => code)
        const problems = [
          "fleet_clock",
          "holder_late",
          "key_missing",
          "answer_waiting",
          "fleet_pooler",
          "fleet_durability"
        ]
        for (const code of codes(yield* doctor())) assert.notInclude(problems, code)

        const late = "data:text/javascript,const now = Date.now; Date.now = () => now() + 300000"
        const clock = (yield* doctor({ NODE_OPTIONS: `--import="${late}"` })).find(({ code }) => code === "fleet_clock")
        assert.match(clock?.message ?? "", /(5m|4m 59s|5m 1s) ahead of/)

        // In the name of a session that lives: this one.
        yield* sql("select pg_advisory_lock(4711)")
        yield* sql(
          `insert into lockstep.session (presence, backend, host, pid, start_time, boot_id, command)
          values (4711, pg_backend_pid(), 'stuck-host', 99, '1', 'b', 'agent')`
        )
        yield* sql(
          `update lockstep.tenant set holder = 4711, intent = 'sending', acquired_at = now() - interval '10 minutes',
          until = now() - interval '9 minutes' where name = 'codex'`
        )
        const stranded = (yield* doctor()).find(({ code }) => code === "holder_late")
        assert.include(stranded?.message, "codex has been held for 10m")
        assert.include(stranded?.message, "process 99 on stuck-host")
        assert.include(stranded?.advice, "lockstep evict 0000000000001267")

        const otherKey = write("other-key", randomBytes(32).toString("base64"))
        assert.include(codes(yield* doctor({ LOCKSTEP_SECRETS_KEY_FILE: otherKey })), "key_missing")

        const keys = Keys.fromBytes(Buffer.from(key, "base64"))
        const spool = Spool.make({
          directory: join(otherHome, "spool"),
          namespace: "",
          keys: Keys.SealingKeys.of({
            location: "the key of the test",
            current: Effect.succeed(keys),
            find: (id) => Effect.succeed(id === keys.id ? Option.some(keys) : Option.none()),
            renew: Effect.succeed(keys),
            retire: Effect.void
          })
        })
        fs.mkdirSync(join(otherHome, "spool"), { recursive: true, mode: 0o700 })
        fs.chmodSync(otherHome, 0o700)
        yield* spool.keep(
          TenantId.make("codex"),
          CapturedAnswer.make({
            attempt: "a",
            fingerprint: "0123456789ab",
            obtainedAt: 1,
            grant: TokenGrant.make({
              accessToken: Redacted.make("lockstep-at-spooled"),
              refreshToken: Option.none(),
              idToken: Option.none(),
              tokenType: Option.none(),
              scope: Option.none(),
              expiresAt: Option.none(),
              loginExpiresAt: Option.none(),
              account: Option.none()
            })
          })
        )
        const hourAgo = new Date(Date.now() - 3_600_000)
        for (const name of fs.readdirSync(join(otherHome, "spool"))) {
          fs.utimesSync(join(otherHome, "spool", name), hourAgo, hourAgo)
        }
        const waiting = (yield* doctor()).find(({ code }) => code === "answer_waiting")
        assert.match(waiting?.message ?? "", /tokens of codex wait .* waited for 1h/)
      }),
    180_000
  )

  const pgbouncer = PgBouncer.installation()
  it.runIf(Option.isSome(pgbouncer))(
    "are told by the doctor of a pooler that hands sessions on",
    () =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const { doctor, postgres, write } = yield* fleet
        const pooler = yield* PgBouncer.start(Option.getOrThrow(pgbouncer), {
          server: postgres.port,
          user: "lockstep",
          password: postgres.password,
          mode: "transaction"
        })
        const pooled = write("pooled", postgres.url("postgres").replace(`:${postgres.port}/`, `:${pooler.port}/`))
        const [finding] = yield* doctor({ LOCKSTEP_POSTGRES_URL_FILE: pooled })
        assert.strictEqual(finding?.code, "fleet_pooler")
        assert.include(finding?.advice, "direct address")
      }))),
    180_000
  )

  // It speaks to servers of its own version alone, and the server that an npm package brings comes without it.
  const receiving = PostgresServer.installations().find(({ bin }) => fs.existsSync(join(bin, "pg_receivewal")))
  it.runIf(receiving !== undefined)(
    "are told whether commits wait for a standby, by any role",
    () =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const { doctor, postgres, sql, write } = yield* fleetOn(FleetHosts.makeOn(receiving!))
        yield* sql(`create role lockstep_app login password '${postgres.password}'`)
        yield* sql("grant usage on schema lockstep to lockstep_app")
        yield* sql("grant select, insert, update, delete on all tables in schema lockstep to lockstep_app")
        const app = write("app", postgres.url("postgres").replace("//lockstep:", "//lockstep_app:"))
        const codes = Effect.map(
          Effect.all([doctor(), doctor({ LOCKSTEP_POSTGRES_URL_FILE: app })]),
          (both) => both.map((found) => found.filter(({ code }) => code === "fleet_durability").length)
        )
        assert.deepStrictEqual(yield* codes, [0, 0])
        const directory = fs.mkdtempSync(join(postgres.directory, "..", "lockstep-wal-"))
        yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true })))
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            spawn(
              join(receiving!.bin, "pg_receivewal"),
              ["-D", directory, "--synchronous", "-d", `postgres://lockstep@127.0.0.1:${postgres.port}`],
              {
                stdio: "ignore",
                env: { PGPASSWORD: postgres.password, PATH: process.env["PATH"] ?? "" }
              }
            )
          ),
          (child) =>
            Effect.promise(async () => {
              if (child.exitCode !== null) return
              child.kill("SIGKILL")
              await once(child, "exit")
            })
        )
        yield* Effect.repeat(sql("select from pg_stat_replication where state = 'streaming'"), {
          until: ({ length }) => length === 1
        })
        assert.deepStrictEqual(yield* codes, [1, 1])
        yield* sql("alter system set synchronous_standby_names = '*'")
        yield* sql("select pg_reload_conf()")
        yield* Effect.repeat(sql("select from pg_stat_replication where sync_state = 'sync'"), {
          until: ({ length }) => length === 1
        })
        assert.deepStrictEqual(yield* codes, [0, 0])
        yield* sql("alter system reset synchronous_standby_names")
        yield* sql("select pg_reload_conf()")
      }))),
    180_000
  )
})
