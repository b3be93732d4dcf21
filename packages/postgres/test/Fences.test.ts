import { assert, describe, it } from "@effect/vitest"
import type { Credential } from "@lockstep/core/Credential"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { Host } from "@lockstep/core/Host"
import { CapturedAnswer } from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { keyOf } from "../src/internal/key.js"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")
const keyOfCodex = keyOf("", CODEX)

const AT_ONCE = { lease: Duration.zero, stranded: Duration.zero }
const PATIENT = { lease: Duration.zero, stranded: Duration.hours(1) }

const put = (credential: Credential) => ({
  act: "login" as const,
  decide: () => Change.Put({ credential, value: () => undefined }),
  settle: () => Option.none()
})

/** Ends the sessions of a process, and waits until the server has noticed. */
const cut = ({ sql }: Fleets.Database, { session }: Fleets.Process) =>
  Effect.gen(function*() {
    const { id } = yield* session.presence
    yield* sql(
      `select pg_terminate_backend(backend) from lockstep.session where presence = $1`,
      [id]
    )
    const isGone = Effect.map(
      sql("select pg_try_advisory_xact_lock_shared($1) as gone", [id]),
      ([row]) => row?.["gone"] === true
    )
    yield* Effect.repeat(isGone, { until: (gone) => gone, schedule: Schedule.spaced("5 millis") })
    return id
  })

/** Until the process itself has heard that its session is gone: the server knows it earlier. */
const noticed = ({ session }: Fleets.Process, id: string) =>
  Effect.repeat(
    Effect.map(
      Effect.option(session.presence),
      Option.match({ onNone: () => true, onSome: (present) => present.id !== id })
    ),
    { until: (isNoticed) => isNoticed, schedule: Schedule.spaced("5 millis") }
  )

const fingerprintOf = (credential: Credential) =>
  Effect.map(Host, (host) => Option.getOrThrow(Fingerprint.ofCredential(host, credential))).pipe(
    Effect.provide(NodeHost.layer)
  )

Fleets.onEach((server, name) => {
  const stage = Effect.gen(function*() {
    const database = yield* Fleets.database(server)
    const directory = yield* Fleets.temporary
    return { database, directory, open: (options?: Fleets.Options) => Fleets.open(database, directory, options) }
  })

  describe(`Fences: ${name}`, () => {
    it.scopedLive("a holder that is frozen before its intent is overtaken, and its intent is refused", () =>
      Effect.gen(function*() {
        const { open } = yield* stage
        const [frozen, next] = [yield* open({ limits: PATIENT }), yield* open({ limits: PATIENT })]
        const over = yield* Custodies.login(frozen.custody, CODEX, Credentials.credential(1))
        const held = yield* Custodies.hold(frozen.custody, CODEX)
        const evidence = yield* held.read()
        const taken = yield* Custodies.hold(next.custody, CODEX)
        assert.strictEqual(taken.taken, "overdue")
        const intent = Option.some(Custodies.announced(evidence, over, "sending"))
        assert.strictEqual((yield* Effect.flip(held.begin(intent, over))).reason, "Superseded")
        assert.strictEqual((yield* Effect.flip(held.note(evidence.journal))).reason, "Superseded")
        assert.isTrue(yield* taken.begin(intent, over))
        // Its answer is stored where it belongs, and what it knows of the tenant is not.
        const { settled } = yield* Custodies.finish(held, evidence, Credentials.credential(2))
        assert.isTrue(Either.isLeft(settled) && settled.left.reason === "Superseded")
        const now = yield* next.custody.read(CODEX)
        assert.strictEqual((yield* now.stored).credential.generation, 2)
        assert.deepStrictEqual(Option.some(now.journal), intent)
        assert.strictEqual((yield* Effect.flip(held.begin(Option.none(), over))).reason, "Superseded")
      }))

    it.scopedLive("an overtaken holder that ends does not release the tenant of the next", () =>
      Effect.gen(function*() {
        const { open } = yield* stage
        const [first, second, third] = [yield* open({ limits: PATIENT }), yield* open({}), yield* open({})]
        const scope = yield* Scope.make()
        yield* Scope.extend(Custodies.hold(first.custody, CODEX), scope)
        const eager = yield* open({ limits: AT_ONCE })
        yield* Effect.scoped(Custodies.hold(eager.custody, CODEX))
        yield* Custodies.hold(second.custody, CODEX)
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.flip(
          Effect.scoped(third.custody.hold(CODEX, { timeout: Duration.millis(1) }))
        )
        assert.strictEqual(error._tag, "LockTimeout")
      }))

    it.scopedLive("a living holder that has announced a request keeps the tenant, and the one that waits is told of it", () =>
      Effect.gen(function*() {
        const { open } = yield* stage
        const [frozen, next, late] = [
          yield* open({ limits: PATIENT }),
          yield* open({ limits: PATIENT }),
          yield* open({ limits: AT_ONCE })
        ]
        const over = yield* Custodies.login(frozen.custody, CODEX, Credentials.credential(1))
        const held = yield* Custodies.hold(frozen.custody, CODEX)
        const evidence = yield* held.read()
        assert.isTrue(yield* held.begin(Option.some(Custodies.announced(evidence, over, "sending")), over))
        const error = yield* Effect.flip(
          Effect.scoped(next.custody.hold(CODEX, { timeout: Duration.millis(50) }))
        )
        assert.strictEqual(error._tag, "LockTimeout")
        assert.include(String((error as Error).message), `process ${process.pid}`)
        assert.match(String((error as Error).message), / on [^ ]+ for /)
        const taken = yield* Custodies.hold(late.custody, CODEX)
        assert.strictEqual(taken.taken, "stranded")
        const { journal, senderMayLive } = yield* taken.read()
        assert.isTrue(senderMayLive)
        assert.isTrue(Option.isSome(journal.intent))
        assert.strictEqual((yield* Effect.flip(held.note(evidence.journal))).reason, "Superseded")
      }))

    it.scopedLive("a holder whose session was cut is taken over, and does not write over the next one's journal", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const [first, next] = [yield* open(), yield* open()]
        const over = yield* Custodies.login(first.custody, CODEX, Credentials.credential(1))
        const held = yield* Custodies.hold(first.custody, CODEX)
        const evidence = yield* held.read()
        yield* next.session.presence
        // While the holder is away, its lease cannot be put in the name of a new session.
        yield* database.sql("update lockstep.fleet set readers_from = 99")
        yield* cut(database, first)
        const taken = yield* Custodies.hold(next.custody, CODEX)
        assert.strictEqual(taken.taken, "lost")
        yield* database.sql("update lockstep.fleet set readers_from = 1")
        const intent = Option.some(Custodies.announced(evidence, over, "sending"))
        const begun = yield* Effect.retry(held.begin(intent, over), {
          while: ({ reason }) => reason !== "Superseded",
          schedule: Schedule.spaced("5 millis")
        }).pipe(Effect.either)
        assert.isTrue(Either.isLeft(begun))
        assert.isTrue(yield* taken.begin(intent, over))
      }))

    it.scopedLive("a session that is lost and found again keeps its tenants, and none that was overtaken", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const [first, next] = [yield* open(), yield* open()]
        const over = yield* Custodies.login(first.custody, CODEX, Credentials.credential(1))
        const held = yield* Custodies.hold(first.custody, CODEX)
        const evidence = yield* held.read()
        const before = yield* cut(database, first)
        yield* noticed(first, before)
        const { id } = yield* first.session.presence
        assert.isTrue(yield* held.begin(Option.some(Custodies.announced(evidence, over, "sending")), over))
        const error = yield* Effect.flip(Effect.scoped(next.custody.hold(CODEX, { timeout: Duration.millis(50) })))
        assert.strictEqual(error._tag, "LockTimeout")
        const [row] = yield* database.sql("select holder::text from lockstep.tenant where name = $1", [CODEX])
        assert.strictEqual(row?.["holder"], id)
      }))

    it.scopedLive("what could not be given back is given back by the next session", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const [first, next] = [yield* open(), yield* open()]
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Custodies.hold(first.custody, CODEX)
          yield* database.sql("update lockstep.fleet set readers_from = 99")
          yield* noticed(first, yield* cut(database, first))
        }))
        yield* database.sql("update lockstep.fleet set readers_from = 1")
        yield* first.session.presence
        // By the session that comes next, and no earlier than it has been looked at.
        yield* Effect.repeat(
          database.sql("select holder from lockstep.tenant where name = $1", [CODEX]),
          { until: ([row]) => row?.["holder"] === null }
        )
        assert.strictEqual((yield* Custodies.hold(next.custody, CODEX)).taken, "free")
      }))

    it.scopedLive("an intent that is acknowledged late, or over a record that moved, is no leave to send", () =>
      Effect.gen(function*() {
        const { open } = yield* stage
        const slow = yield* open({ limits: { prompt: Duration.millis(-1) } })
        const over = yield* Custodies.login(slow.custody, CODEX, Credentials.credential(1))
        const held = yield* Custodies.hold(slow.custody, CODEX)
        const intent = Option.some(Custodies.announced(yield* held.read(), over, "sending"))
        assert.strictEqual((yield* Effect.flip(held.begin(intent, over))).reason, "Unavailable")
        yield* slow.store.modify(CODEX, () => Change.Put({ credential: Credentials.credential(2), value: () => null }))
        assert.isFalse(yield* held.begin(intent, over))
      }))

    it.scopedLive("an intent that has to wait for the row is judged by what the row says then", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const one = yield* open()
        for (
          const change of [
            "update lockstep.tenant set epoch = epoch + 1, holder = 4711",
            "update lockstep.tenant set generation = generation + 1; delete from lockstep.credential"
          ]
        ) {
          yield* Effect.scoped(Effect.gen(function*() {
            const over = yield* Custodies.login(one.custody, CODEX, Credentials.credential(1))
            const held = yield* Custodies.hold(one.custody, CODEX)
            const before = yield* held.read()
            yield* database.sql("begin")
            yield* database.sql("select from lockstep.tenant for update")
            const intent = Option.some(Custodies.announced(before, over, "sending"))
            const begun = yield* Effect.fork(Effect.either(held.begin(intent, over)))
            const isWaiting = database.sql("select pg_stat_clear_snapshot()").pipe(
              Effect.zipRight(database.sql(
                "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
              )),
              Effect.map((rows) => rows.length > 0)
            )
            yield* Effect.repeat(isWaiting, { until: (waiting) => waiting, schedule: Schedule.spaced("5 millis") })
            yield* database.sql(change)
            yield* database.sql("commit")
            const result = yield* Fiber.join(begun)
            if (Either.isRight(result)) assert.isFalse(result.right)
            assert.isTrue(Option.isNone((yield* one.custody.read(CODEX)).journal.intent))
          }))
        }
      }))

    it.scopedLive("a database that went back in time redeems nothing, until the answer that it lacks is stored", () =>
      Effect.gen(function*() {
        const { database, open } = yield* stage
        const [one, other] = [yield* open(), yield* open()]
        const before = Credentials.credential(1)
        yield* Custodies.login(one.custody, CODEX, before)
        const [old] = yield* database.sql("select * from lockstep.credential")
        const answer = CapturedAnswer.make({ ...Custodies.answer, fingerprint: yield* fingerprintOf(before) })
        yield* Effect.scoped(Effect.gen(function*() {
          const held = yield* Custodies.hold(one.custody, CODEX)
          yield* held.capture(answer)
          yield* Custodies.finish(held, yield* held.read(), Credentials.credential(2))
        }))
        assert.isTrue(Option.isNone((yield* one.custody.read(CODEX)).kept))
        // What a standby has that lacks the last commit.
        yield* database.sql("update lockstep.credential set sealed = $1, version = $2", [
          old?.["sealed"],
          old?.["version"]
        ])
        yield* database.sql("update lockstep.tenant set generation = $1", [old?.["version"]])
        yield* Effect.scoped(Effect.gen(function*() {
          // The host that has the answer finds it, though it was stored once.
          const held = yield* Custodies.hold(other.custody, CODEX)
          assert.isTrue(Option.isSome((yield* held.read()).kept))
        }))
        const bare = yield* Fleets.open(database, yield* Fleets.temporary)
        // A process of another host that has seen the later generation, and has no answer.
        yield* bare.store.get(CODEX)
        yield* Effect.scoped(Effect.gen(function*() {
          const held = yield* Custodies.hold(bare.custody, CODEX)
          yield* held.read()
          bare.session.signals.heard(keyOfCodex, 1_000, false)
          const error = yield* Effect.flip(held.read())
          assert.strictEqual(error.reason, "Superseded")
          // A person logs in all the same, and what is stored then is beyond everything that was seen.
          yield* held.read({ replaceJournal: true })
          yield* held.commit(put(Credentials.credential(3)))
          yield* held.read()
        }))
        const [row] = yield* database.sql("select generation::int from lockstep.tenant where name = $1", [CODEX])
        assert.strictEqual(row?.["generation"], 1_001)
      }))
  })
})
