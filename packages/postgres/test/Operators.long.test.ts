/** What operators may do to a fleet, and what they are kept from. The command's own words are tested with the command. */
import { assert, describe, it } from "@effect/vitest"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as FleetEviction from "@lockstep/postgres/FleetEviction"
import * as FleetRestore from "@lockstep/postgres/FleetRestore"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")

const digitsOf = ({ session }: Fleets.Process) =>
  Effect.map(session.presence, ({ id }) => BigInt.asUintN(64, BigInt(id)).toString(16).padStart(16, "0"))

const evict = (by: Fleets.Process, digits: string, force = false) =>
  Effect.provideService(FleetEviction.evict(digits, { force }), PostgresSession, by.session)

const restored = ({ custody, store }: Fleets.Process, before: number) =>
  Effect.flatMap(Layer.build(NodeHost.layer), (host) =>
    Effect.provide(
      FleetRestore.restored(before),
      Context.empty().pipe(
        Context.add(CredentialStore, store),
        Context.add(Custody, custody),
        Context.add(RefreshPolicy.RefreshPolicy, RefreshPolicy.defaults),
        Context.merge(host)
      )
    ))

Fleets.onEach((server, name) => {
  if (server.version !== 18 && server.version !== 0) return

  const stage = Effect.gen(function*() {
    const database = yield* Fleets.database(server)
    const directory = yield* Fleets.temporary
    return {
      database,
      operator: yield* Fleets.open(database, directory),
      other: yield* Fleets.open(database, directory)
    }
  })

  /** A session that has ended and left its row behind, or that lives as the lock of this very backend. */
  const row = (digits: string, backend = "pg_backend_pid()") =>
    `insert into lockstep.session (presence, backend, host, pid, start_time, boot_id, command)
      values (x'${digits}'::bigint, ${backend}, 'gone', 1, '1', 'b', 'lockstep')`

  describe(`evict: ${name}`, () => {
    it.scopedLive("ends no session of its own", () =>
      Effect.gen(function*() {
        const { operator } = yield* stage
        assert.strictEqual((yield* evict(operator, yield* digitsOf(operator), true))._tag, "Own")
        assert.isTrue((yield* operator.session.presence).isLive())
      }))

    it.scopedLive("ends one that has sent a request only where that is said", () =>
      Effect.gen(function*() {
        const { operator, other } = yield* stage
        const over = yield* Custodies.login(other.custody, CODEX, Credentials.credential(1))
        const held = yield* Custodies.hold(other.custody, CODEX)
        yield* held.begin(Option.some(Custodies.announced(yield* held.read(), over, "sending")), over)
        const before = yield* other.session.presence
        const digits = yield* digitsOf(other)
        assert.strictEqual((yield* evict(operator, digits))._tag, "Sending")
        assert.isTrue(before.isLive())
        assert.strictEqual((yield* evict(operator, digits, true))._tag, "Evicted")
        yield* Effect.repeat(other.session.presence, { until: ({ id }) => id !== before.id })
      }))

    it.scopedLive("ends none where several begin alike", () =>
      Effect.gen(function*() {
        const { database, operator } = yield* stage
        for (const digits of ["0abcd00000000001", "0abcd00000000002"]) yield* database.sql(row(digits))
        const found = yield* evict(operator, "0abc", true)
        assert.deepStrictEqual(found, FleetEviction.Eviction.Unknown({ ids: ["0abcd00000000001", "0abcd00000000002"] }))
      }))

    it.scopedLive("asks for four digits, so that no short word ends what it did not mean", () =>
      Effect.gen(function*() {
        const { database, operator } = yield* stage
        yield* database.sql(row("0abcd00000000001"))
        for (const digits of ["", "0", "0ab", "%", "____"]) {
          assert.deepStrictEqual(yield* evict(operator, digits, true), FleetEviction.Eviction.Unknown({ ids: [] }))
        }
      }))

    it.scopedLive("ends a session by its lock, and not another client that has its backend by now", () =>
      Effect.gen(function*() {
        const { database, operator, other } = yield* stage
        const { backend, isLive } = yield* other.session.presence
        yield* database.sql(row("0abcd00000000001", String(backend)))
        assert.strictEqual((yield* evict(operator, "0abcd", true))._tag, "Gone")
        yield* other.session.query("select 1")
        assert.isTrue(isLive())
      }))
  })

  describe(`restored: ${name}`, () => {
    const login = (one: Fleets.Process, tenant: TenantId.TenantId, obtainedAt: number) =>
      Custodies.login(one.custody, tenant, {
        ...Credentials.credential(1),
        obtainedAt: Option.some(obtainedAt)
      })

    it.scopedLive("takes the trust from what is older, and from nothing that was obtained since", () =>
      Effect.gen(function*() {
        const { operator } = yield* stage
        const newer = TenantId.make("newer")
        yield* login(operator, CODEX, 999)
        yield* login(operator, newer, 1_000)
        assert.deepStrictEqual(yield* restored(operator, 1_000_000), { distrusted: [CODEX], kept: [newer] })
        assert.isTrue(Option.isNone((yield* operator.custody.read(newer)).journal.intent))
        const intent = Option.getOrThrow((yield* operator.custody.read(CODEX)).journal.intent)
        // As after a second request without an answer, which only a person sends again.
        assert.deepInclude(intent, { state: "sending", sends: 2 })
      }))

    it.scopedLive("leaves what it did as it is when it is run again", () =>
      Effect.gen(function*() {
        const { operator } = yield* stage
        yield* login(operator, CODEX, 999)
        yield* restored(operator, 1_000_000)
        const { journal } = yield* operator.custody.read(CODEX)
        assert.deepStrictEqual(yield* restored(operator, 1_000_000), { distrusted: [], kept: [CODEX] })
        assert.deepStrictEqual((yield* operator.custody.read(CODEX)).journal, journal)
      }))
  })
})
