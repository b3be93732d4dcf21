import { assert, describe, it } from "@effect/vitest"
import { RegisteredClient } from "@lockstep/core/ClientRegistrations"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as Migrations from "@lockstep/postgres/Migrations"
import * as PostgresDueTimes from "@lockstep/postgres/PostgresDueTimes"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Attempts from "@lockstep/testkit/contract/pendingLogins"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Version1 from "./fixtures/version1.js"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")
const FIRST = Migrations.all.slice(0, 1)

const put = (one: Fleets.Process, tenant = CODEX) =>
  one.store.modify(tenant, () => Change.Put({ credential: Credentials.credential(1), value: () => undefined }))

/** A later version that takes something away. */
const CONTRACT: Migrations.Migration = {
  version: Migrations.VERSION + 1,
  step: "contract",
  sql: "comment on table lockstep.fleet is 'of a later version';"
}

Fleets.onEach((server, name) => {
  describe(`an upgrade while the fleet runs: ${name}`, () => {
    it.scopedLive(
      "a process of the version before goes on through it, beside new ones, until a version takes something away",
      () =>
        Effect.gen(function*() {
          const database = yield* Fleets.database(server)
          yield* database.sql("drop schema lockstep cascade")
          yield* Migrations.migrate(database.address, FIRST)
          const enter = Version1.enter(database.url)
          const old = yield* enter
          if (old === "refused") return assert.fail("version 1 refuses its own tables")

          // A new process waits for its tables.
          const early = yield* Fleets.open(database, yield* Fleets.temporary)
          assert.include((yield* Effect.flip(early.store.get(CODEX))).message, "earlier version")

          // The old one holds a tenant, and has announced its request, when the tables grow.
          const lease = yield* old.take("codex")
          assert.strictEqual(yield* old.announce(lease!), 1)
          const { found, wanted } = yield* Migrations.migrate(database.address)
          assert.deepStrictEqual([found, wanted], [1, Migrations.VERSION])
          const now = yield* Fleets.open(database, yield* Fleets.temporary)
          yield* put(now, TenantId.make("other"))
          const [sealed] = yield* database.sql("select sealed from lockstep.credential")
          assert.strictEqual(yield* old.put(lease!, 1, String(sealed!["sealed"])), 1)
          assert.strictEqual(yield* old.giveBack(lease!), 1)
          assert.strictEqual((yield* old.read("other"))!["generation"], "1")

          // What the old one stored is due for those that sweep, and a new one holds it, and it waits for the new one.
          assert.lengthOf(
            yield* database.sql("select from lockstep.schedule s join lockstep.tenant t on t.id = s.tenant_id"),
            2
          )
          yield* Effect.scoped(Effect.gen(function*() {
            assert.strictEqual((yield* now.custody.hold(CODEX, { timeout: Duration.seconds(5) }))._tag, "Held")
            assert.isUndefined(yield* old.take("codex"))
          }))
          const again = yield* old.take("codex")
          assert.strictEqual(again!["how"], "free")
          assert.notStrictEqual(yield* enter, "refused")

          // The next step takes something away: sessions of both versions end, and neither begins another one.
          yield* Migrations.migrate(database.address, [...Migrations.all, CONTRACT])
          assert.isFalse(yield* old.isOpen)
          assert.strictEqual(yield* enter, "refused")
          assert.include((yield* Effect.flip(now.store.get(CODEX))).message, "later version")
        }),
      60_000
    )

    it.scopedLive("one that fails leaves the tables as they were, and those before it undone with it", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const fails = {
          version: Migrations.VERSION + 1,
          step: "expand" as const,
          sql: "create table half (); select 1 / 0;"
        }
        const migrate = Effect.flip(Migrations.migrate(database.address, [...Migrations.all, fails]))
        const found = Effect.map(Migrations.check(database.address), (state) => state.found)
        yield* migrate
        assert.strictEqual(yield* found, Migrations.VERSION)
        yield* database.sql("drop schema lockstep cascade")
        yield* migrate
        assert.strictEqual(yield* found, 0)
        assert.deepStrictEqual(yield* database.sql("select from pg_class where relname in ('half', 'tenant')"), [])
      }))

    it.scopedLive("what was stored before is due afterwards", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const one = yield* Fleets.open(database, yield* Fleets.temporary)
        yield* put(one)
        const rows = yield* database.sql("select sealed from lockstep.credential")
        yield* database.sql("drop schema lockstep cascade")
        yield* Migrations.migrate(database.address, FIRST)
        yield* database.sql("insert into lockstep.tenant (name, generation) values ('codex', 1)")
        yield* database.sql(
          "insert into lockstep.credential (tenant_id, version, sealed, key_id) select id, 1, $1, 'k' from lockstep.tenant",
          [rows[0]!["sealed"]]
        )
        yield* Migrations.migrate(database.address)
        const other = yield* Fleets.open(database, yield* Fleets.temporary)
        const due = yield* Effect.provideService(PostgresDueTimes.make, PostgresSession, other.session)
        assert.deepStrictEqual((yield* due.claim({ limit: 5, except: [] })).claims.map(({ tenant }) => tenant), [CODEX])
      }), 60_000)
  })

  describe(`teams of one database: ${name}`, () => {
    it.scopedLive(
      "a role that is named as a team reads, writes, sweeps and lists its own namespaces and no other rows",
      () =>
        Effect.gen(function*() {
          const database = yield* Fleets.database(server)
          const roleOf = (team: string) => `lockstep_${team}_${database.name}`
          yield* database.sql(
            `do $$ begin
            if not exists (select from pg_roles where rolname = 'lockstep_app') then
              create role lockstep_app login password '${server.password}';
            end if;
          end $$`
          )
          yield* Migrations.migrate(database.address)
          for (const team of ["red", "blue"]) {
            yield* database.sql(`create role ${roleOf(team)} login password '${server.password}' in role lockstep_app`)
            yield* Effect.addFinalizer(() => database.sql(`drop role ${roleOf(team)}`))
            yield* database.sql("insert into lockstep.team values ($1, $2)", [roleOf(team), team])
          }
          const open = (role: string, namespace: string) =>
            Effect.flatMap(Fleets.temporary, (host) =>
              Fleets.open(
                { address: Fleets.addressOf(Fleets.urlOf(server, database.name, role)) },
                host,
                { namespace }
              ))
          const red = yield* open(roleOf("red"), "red")
          const blue = yield* open(roleOf("blue"), "blue")
          const app = yield* open("lockstep_app", "red")
          yield* put(red)
          yield* put(blue)
          yield* put(blue, TenantId.make("blue-alone"))

          assert.deepStrictEqual([...yield* blue.store.list].sort(), ["blue-alone", "codex"])
          assert.deepStrictEqual(yield* red.store.list, [CODEX])
          assert.isTrue(Option.isSome(yield* app.store.get(CODEX)))
          for (const team of [red, blue]) {
            yield* team.pending.put(
              { tenant: CODEX, user: PendingLogins.LOCAL_USER },
              Attempts.attempt(Math.floor(Date.now() / 1_000))
            )
            yield* team.registrations.put("https://id.example", RegisteredClient.make({ clientId: "dyn-1" }))
          }
          const seen = yield* Effect.forEach(["tenant", "credential", "schedule", "pending", "client"], (table) =>
            Effect.map(
              red.session.query(`select count(*)::int as count from lockstep.${table}`),
              ({ rows: [row] }) =>
                `${row?.["count"]} of ${table}`
            ))
          assert.deepStrictEqual(seen, [
            "1 of tenant",
            "1 of credential",
            "1 of schedule",
            "1 of pending",
            "1 of client"
          ])
          assert.strictEqual((yield* app.session.query("select from lockstep.tenant")).count, 3)
          // Whatever it says its namespace is.
          const liar = yield* open(roleOf("red"), "blue")
          assert.deepStrictEqual(yield* liar.store.list, [])
          assert.isTrue(Option.isNone(yield* liar.store.get(CODEX)))
          assert.include((yield* Effect.flip(put(liar))).message, "42501")
          const due = yield* Effect.provideService(PostgresDueTimes.make, PostgresSession, red.session)
          assert.lengthOf((yield* due.claim({ limit: 20, except: [] })).claims, 1)
          for (
            const forbidden of [
              "insert into lockstep.team values (session_user, 'blue')",
              "select from lockstep.team",
              "alter table lockstep.tenant disable row level security"
            ]
          ) {
            assert.strictEqual((yield* Effect.flip(red.session.query(forbidden))).code, "42501", forbidden)
          }
          assert.strictEqual((yield* red.session.query("delete from lockstep.credential")).count, 1)
          assert.lengthOf(yield* database.sql("select from lockstep.credential"), 2)
          // A tenant is held, and a rotation group, by its own team.
          const held = yield* Effect.scoped(
            blue.custody.hold(CODEX, { timeout: Duration.seconds(5), rotationGroup: Option.some("group") })
          )
          assert.strictEqual(held._tag, "Held")
        }),
      60_000
    )
  })
})
