import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as Keys from "@lockstep/node/secrets/SealingKeys"
import * as Migrations from "@lockstep/postgres/Migrations"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as SealingRotation from "@lockstep/postgres/SealingRotation"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { keyOf } from "../src/internal/key.js"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")

Fleets.onEach((server, name) => {
  describe(`PostgresSession: ${name}`, () => {
    const refusal = (database: Fleets.Database, address = database.address) =>
      Effect.gen(function*() {
        const { store } = yield* Fleets.open({ address }, yield* Fleets.temporary)
        const error = yield* Effect.flip(store.get(CODEX))
        assert.notInclude(`${error.message} ${error.advice}`, server.password)
        return error
      })

    it.scopedLive("refuses a database that acknowledges what a crash can lose", () =>
      Effect.gen(function*() {
        for (const setting of ["off", "local"]) {
          const database = yield* Fleets.database(server)
          yield* database.sql(`alter database ${database.name} set synchronous_commit = ${setting}`)
          assert.include((yield* refusal(database)).message, "synchronous_commit")
        }
      }))

    it.scopedLive("refuses a database of a later version, one that was never set up, and a wrong password", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        yield* database.sql("update lockstep.fleet set readers_from = 99")
        assert.include((yield* refusal(database)).message, "later version")
        yield* database.sql("drop schema lockstep cascade")
        assert.include((yield* refusal(database)).advice, "lockstep migrate")
        const wrong = Fleets.addressOf(database.url.replace(server.password, "wrong-password"))
        assert.include((yield* refusal(database, wrong)).message, "28P01")
        const nowhere = { ...database.address, servers: [{ host: "127.0.0.1", port: 1 }] as const }
        const error = yield* refusal(database, nowhere)
        assert.strictEqual(error.reason, "Unavailable")
        assert.include(error.message, "ECONNREFUSED")
      }))

    it.scopedLive("goes on to the next server of its address, and stays with its fleet", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const address = {
          ...database.address,
          servers: [{ host: "127.0.0.1", port: 1 }, ...database.address.servers] as const
        }
        const { session, store } = yield* Fleets.open({ address }, yield* Fleets.temporary)
        yield* store.get(CODEX)
        yield* database.sql("update lockstep.fleet set id = gen_random_uuid()")
        const { id } = yield* session.presence
        yield* database.sql("select pg_terminate_backend(backend) from lockstep.session where presence = $1", [id])
        // Until the cut is noticed, the connection still answers.
        const error = yield* Effect.flip(store.get(CODEX)).pipe(
          Effect.filterOrFail(({ detail }) => detail?.includes("another fleet") === true),
          Effect.retry(Schedule.spaced("5 millis"))
        )
        assert.include(error.advice, "LOCKSTEP_HOME")
      }))

    it.scopedLive("ends while it is being made, and leaves no connection", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const own = "from pg_stat_activity where datname = current_database() and application_name = 'lockstep'"
        const locker = yield* Fleets.connect(database.url)
        yield* Effect.promise(() => locker.query("begin; lock table lockstep.fleet"))
        yield* Effect.scoped(Effect.gen(function*() {
          const { session } = yield* Fleets.open(database, yield* Fleets.temporary)
          yield* Effect.fork(session.presence)
          yield* Effect.repeat(database.sql(`select ${own} and wait_event_type = 'Lock'`), {
            until: ({ length }) => length === 1,
            schedule: Schedule.spaced("5 millis")
          })
        }))
        yield* Effect.promise(() => locker.query("rollback"))
        yield* Effect.repeat(database.sql(`select ${own}`), {
          until: ({ length }) => length === 0,
          schedule: Schedule.spaced("5 millis")
        })
      }), 30_000)

    it.scopedLive("tells of what it missed while it was away", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const [one, other] = [yield* Fleets.open(database, directory), yield* Fleets.open(database, directory)]
        const put = (generation: number) =>
          other.store.modify(CODEX, () =>
            Change.Put({ credential: Credentials.credential(generation), value: () => null }))
        yield* put(1)
        const changes = yield* one.store.changes(CODEX)
        yield* one.store.get(CODEX)
        const before = one.store.epoch(CODEX)
        yield* Queue.takeAll(changes)
        const { id } = yield* one.session.presence
        yield* database.sql("select pg_terminate_backend(backend) from lockstep.session where presence = $1", [id])
        yield* Queue.take(changes)
        assert.notStrictEqual(one.store.epoch(CODEX), before)
      }))

    it.scopedLive("a waiter is told of a release at once, though it looks at nothing meanwhile", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const [one, other] = [yield* Fleets.open(database, directory), yield* Fleets.open(database, directory)]
        const woken = yield* other.session.signals.wakeups(keyOf("", CODEX))
        yield* other.session.presence
        const waiting = yield* Effect.fork(Queue.take(woken))
        yield* Effect.scoped(Custodies.hold(one.custody, CODEX))
        yield* Fiber.join(waiting)
      }))
  })

  describe(`Migrations: ${name}`, () => {
    it.scopedLive("of several that migrate at once one does, and the role of the application can work afterwards", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        yield* database.sql("drop schema lockstep cascade")
        const role = "lockstep_app"
        yield* database.sql(
          `do $$ begin
            if not exists (select from pg_roles where rolname = '${role}') then
              create role ${role} login password '${server.password}';
            end if;
          end $$`
        )
        assert.strictEqual((yield* Migrations.check(database.address)).found, 0)
        const found = yield* Effect.forEach([1, 2, 3, 4], () => Migrations.migrate(database.address), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(found.map((one) => one.found).sort(), [
          0,
          ...Array.from({ length: 3 }, () => Migrations.VERSION)
        ])
        const address = Fleets.addressOf(Fleets.urlOf(server, database.name, role))
        const { custody, session } = yield* Fleets.open({ address }, yield* Fleets.temporary)
        yield* Custodies.login(custody, CODEX, Credentials.credential(1))
        for (const forbidden of ["update lockstep.fleet set readers_from = 0", "drop table lockstep.pending"]) {
          assert.strictEqual((yield* Effect.flip(session.query(forbidden))).code, "42501")
        }
        yield* database.sql("update lockstep.fleet set schema = 99")
        assert.include((yield* Effect.flip(Migrations.migrate(database.address))).message, "later version")
      }))

    it.scopedLive("printed, sets up an empty database as well, and who migrates meanwhile finds it done", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        yield* database.sql("drop schema lockstep cascade")
        assert.isTrue(Migrations.sql.endsWith("commit;\n"))
        yield* database.sql(Migrations.sql.slice(0, -"commit;\n".length))
        const migrating = yield* Effect.fork(Migrations.migrate(database.address))
        yield* Effect.repeat(
          database.sql(
            `select from pg_locks where locktype = 'advisory' and not granted
              and database = (select oid from pg_database where datname = current_database())`
          ),
          { until: ({ length }) => length === 1 }
        )
        yield* database.sql("commit")
        const { found, wanted } = yield* Fiber.join(migrating)
        assert.strictEqual(found, wanted)
      }))
  })

  describe(`SealingRotation: ${name}`, () => {
    it.scopedLive("seals every row anew, keeps versions, and stops at a key that is missing", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const newKey = Keys.fromBytes(Buffer.alloc(32, 9))
        const old = yield* Fleets.open(database, directory)
        for (let i = 0; i < 205; i++) {
          yield* old.store.modify(
            TenantId.make(`codex-${i}`),
            () => Change.Put({ credential: Credentials.credential(1), value: () => null })
          )
        }
        const before = yield* Effect.flatten(old.store.get(TenantId.make("codex-7")))
        const rotateWith = (keys: Keys.SealingKeys["Type"]) =>
          SealingRotation.rotate.pipe(
            Effect.provideService(PostgresSession, old.session),
            Effect.provideService(Keys.SealingKeys, keys)
          )
        assert.strictEqual((yield* Effect.flip(rotateWith(Fleets.keysOf(newKey)))).reason, "Locked")
        const rotation = yield* rotateWith(Fleets.keysOf(newKey, Fleets.KEY))
        assert.deepInclude(rotation, { sealed: 205, left: [], key: newKey.id })
        assert.strictEqual((yield* rotateWith(Fleets.keysOf(newKey, Fleets.KEY))).sealed, 0)
        const fresh = yield* Fleets.open(database, directory, { keys: Fleets.keysOf(newKey) })
        const after = yield* Effect.flatten(fresh.store.get(TenantId.make("codex-7")))
        assert.strictEqual(after.version, before.version)
        const error = yield* Effect.flip(old.store.get(TenantId.make("codex-7")))
        assert.strictEqual(error.reason, "Locked")
      }))
  })

  describe(`Secrets: ${name}`, () => {
    it.scopedLive("neither the log of the server nor a row holds a token, and the spool holds it sealed", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const { custody } = yield* Fleets.open(database, directory)
        yield* Custodies.login(custody, CODEX, Credentials.credential(1))
        yield* Custodies.redeem(custody, CODEX, Credentials.credential(2))
        const rows = yield* database.sql("select c::text from lockstep.credential c")
        const log = Fs.readFileSync(Path.join(server.directory, "server.log"), "utf8")
        assert.include(log, "lockstep.credential")
        const spooled = Fs.readdirSync(directory).map((file) => {
          assert.strictEqual(Fs.statSync(Path.join(directory, file)).mode & 0o777, 0o600)
          return Fs.readFileSync(Path.join(directory, file), "latin1")
        })
        assert.isAbove(spooled.length, 0)
        for (const text of [JSON.stringify(rows), log, ...spooled]) assert.notMatch(text, /lockstep-(at|rt)-/)
        assert.isTrue(Option.isNone((yield* custody.read(CODEX)).kept))
      }))
  })
})
