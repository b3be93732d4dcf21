/** Guards whose absence shows only in the rows, in a warning, or when two things happen at one moment. */
import { assert, describe, it } from "@effect/vitest"
import { Host, ProcessIdentity } from "@lockstep/core/Host"
import { CapturedAnswer } from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as PostgresLease from "@lockstep/postgres/PostgresLease"
import * as Spool from "@lockstep/postgres/Spool"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")

const POLL = Schedule.spaced("5 millis")

const TERMINATE = "select pg_terminate_backend(backend) from lockstep.session where presence = $1"

describe("a spool", () => {
  it.scopedLive("shows the newest answer first", () =>
    Effect.gen(function*() {
      const spool = Spool.make({ directory: yield* Fleets.temporary, namespace: "", keys: Fleets.keysOf(Fleets.KEY) })
      const attempts = ["first", "second", "third"]
      for (const attempt of attempts) {
        const now = Date.now()
        // File names tell the millisecond.
        while (Date.now() === now);
        yield* spool.keep(CODEX, CapturedAnswer.make({ ...Custodies.answer, attempt }))
      }
      const found = yield* spool.read(CODEX)
      assert.deepStrictEqual(found.map(({ answer }) => answer.attempt), attempts.toReversed())
    }))
})

describe("a death", () => {
  it.scopedLive("is proven for no process of another boot: machines of one image have one id", () =>
    Effect.gen(function*() {
      const { self } = yield* Effect.provide(Host, NodeHost.layer)
      const elsewhere = ProcessIdentity.make({ ...self, bootId: "another-boot" })
      assert.isFalse(yield* PostgresLease.isProvenDead(self, elsewhere))
    }))
})

Fleets.onEach((server, name) => {
  const stage = Effect.gen(function*() {
    const database = yield* Fleets.database(server)
    const directory = yield* Fleets.temporary
    return { database, open: Fleets.open(database, directory) }
  })

  describe(`Guards: ${name}`, () => {
    it.scopedLive("what is acknowledged with a warning is not taken for durable", () =>
      Effect.gen(function*() {
        const { open } = yield* stage
        const { session } = yield* open
        // The words of a commit that was cancelled while it waited for its standby.
        const error = yield* Effect.flip(session.query("do $$ begin raise warning 'canceling wait'; end $$"))
        assert.deepInclude(error, { kind: "Unknown", code: "not_replicated" })
        // It counts against its own statement alone.
        yield* session.query("select 1")
      }))

    it.scopedLive("rows of sessions are kept for a day, while their session lives, and while a lease names them", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const living = (yield* (yield* open).session.presence).id
        const [dead, holder] = ["4711", "4712"]
        for (const presence of [dead, holder]) {
          yield* database.sql(
            "insert into lockstep.session select $1::bigint, backend, host, machine, pid, pid_ns, start_time, boot_id, command, since from lockstep.session where presence = $2",
            [presence, living]
          )
        }
        yield* database.sql("update lockstep.session set since = clock_timestamp() - interval '2 days'")
        yield* database.sql("insert into lockstep.tenant (name, holder) values ('held', $1)", [holder])
        const fresh = (yield* (yield* open).session.presence).id
        const rows = yield* database.sql("select presence::text from lockstep.session")
        assert.sameMembers(rows.map(({ presence }) => String(presence)), [living, holder, fresh])
      }))

    it.scopedLive("a session that was found again tells of what was said before it listened", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const [one, other] = [yield* open, yield* open]
        const put = (generation: number) =>
          other.store.modify(
            CODEX,
            () => Change.Put({ credential: Credentials.credential(generation), value: () => null })
          )
        yield* put(1)
        yield* one.store.get(CODEX)
        yield* other.session.presence
        const changes = yield* one.store.changes(CODEX)
        yield* Queue.takeAll(changes)
        const { id } = yield* one.session.presence
        yield* database.sql("update lockstep.fleet set readers_from = 99")
        yield* database.sql(TERMINATE, [id])
        // Told of the loss, it looks, and finds no session to look with.
        yield* Queue.take(changes)
        const before = one.store.epoch(CODEX)
        yield* put(2)
        yield* Queue.takeAll(changes)
        yield* database.sql("update lockstep.fleet set readers_from = 1")
        yield* Effect.timeout(Queue.take(changes), "20 seconds")
        assert.notStrictEqual(one.store.epoch(CODEX), before)
      }))

    it.scopedLive("a caller that is faster than the timer makes the only session", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const one = yield* open
        const { id } = yield* one.session.presence
        // Refused again and again, it waits for longer and longer, up to two seconds.
        yield* database.sql("update lockstep.fleet set readers_from = 99")
        yield* database.sql(TERMINATE, [id])
        const until = (millis: number) => {
          const end = performance.now() + millis
          return Effect.repeat(Effect.exit(one.session.presence), {
            until: () => performance.now() > end,
            schedule: POLL
          })
        }
        yield* until(3_500)
        yield* database.sql("update lockstep.fleet set readers_from = 1")
        yield* Effect.retry(one.session.presence, POLL)
        assert.strictEqual(one.session.count(), 2)
        yield* until(2_100)
        assert.strictEqual(one.session.count(), 2)
      }))

    it.scopedLive("one of those that wait is the first in line, the next one after it, and nobody in the end", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const [holder, one, other] = [yield* open, yield* open, yield* open]
        const held = yield* Scope.make()
        yield* Scope.extend(Custodies.hold(holder.custody, CODEX), held)
        const wait = (waiter: Fleets.Process) =>
          Effect.fork(Effect.scoped(waiter.custody.hold(CODEX, { timeout: Duration.minutes(2) })))
        const waits = [yield* wait(one), yield* wait(other)]
        const line = database.sql(
          `select s.presence::text as id from pg_locks l join lockstep.session s on s.backend = l.pid
            where l.locktype = 'advisory' and l.objsubid = 2 and l.granted`
        )
        const first = yield* Effect.repeat(line, { until: ({ length }) => length === 1 })
        const isOne = first[0]!["id"] === (yield* one.session.presence).id
        const second = (yield* (isOne ? other : one).session.presence).id
        yield* Fiber.interrupt(waits[isOne ? 0 : 1]!)
        yield* Effect.repeat(line, { until: ([row]) => row?.["id"] === second, schedule: POLL })
        yield* Scope.close(held, Exit.void)
        assert.strictEqual((yield* Fiber.join(waits[isOne ? 1 : 0]!))._tag, "Held")
        yield* Effect.repeat(line, { until: ({ length }) => length === 0, schedule: POLL })
      }))
  })
})
