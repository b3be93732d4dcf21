import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import { Change } from "@lockstep/core/WritableStore"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as PostgresDueTimes from "@lockstep/postgres/PostgresDueTimes"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Fleets from "./support/fleets.js"

const TENANT = TenantId.make("agent")

/** Fills the tables with so many other tenants, whose sealed text is of the usual length, and all of which are due. */
const fill = ({ sql }: Fleets.Database, count: number) =>
  Effect.gen(function*() {
    yield* sql("insert into lockstep.tenant (name, generation) select 'other-' || n, 1 from generate_series(1, $1) n", [
      count
    ])
    yield* sql(
      `insert into lockstep.credential (tenant_id, version, fingerprint, sealed, key_id)
        select id, 1, 'f', repeat('x', 1500), 'k' from lockstep.tenant where name like 'other-%'`
    )
    yield* sql(
      `update lockstep.schedule set issuer = 'https://as-' || (tenant_id % 3) || '.example',
        due_at = now() - make_interval(secs => tenant_id % 1000)`
    )
    yield* sql("vacuum analyze lockstep.tenant")
    yield* sql("vacuum analyze lockstep.credential")
    yield* sql("vacuum analyze lockstep.schedule")
  })

/** Rows that statements read, as the server counts them, of the tables that grow with the tenants. */
const rowsRead = (database: Fleets.Database, session: PostgresSession["Type"]) => {
  // The server tells at the end of a statement what its process counted, if it is asked to.
  const counts = Effect.flatMap(
    session.query("select pg_stat_force_next_flush()"),
    () =>
      Effect.map(
        database.sql(
          `select sum(seq_tup_read)::int as scanned, sum(idx_tup_fetch)::int as fetched from pg_stat_user_tables
            where schemaname = 'lockstep' and relname in ('tenant', 'credential', 'schedule')`
        ),
        ([row]) => ({ scanned: Number(row!["scanned"]), fetched: Number(row!["fetched"]) })
      )
  )
  return <A, E>(work: Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const before = yield* counts
      yield* work
      const after = yield* counts
      return { scanned: after.scanned - before.scanned, fetched: after.fetched - before.fetched }
    })
}

/** What reading, refreshing and claiming read in a database of so many tenants. */
const measured = (server: Parameters<typeof Fleets.database>[0], count: number) =>
  Effect.scoped(Effect.gen(function*() {
    const database = yield* Fleets.database(server)
    const endpoint = yield* ScriptedTokenEndpoint.make
    const one = yield* Fleets.open(database, yield* Fleets.temporary)
    yield* fill(database, count)
    yield* one.store.modify(TENANT, () =>
      Change.Put({
        credential: Credential.Credential.make({ ...endpoint.issue(), expiresAt: Option.some(1) }),
        value: () => undefined
      }))
    const context = Context.empty().pipe(
      Context.add(CredentialStore, one.store),
      Context.add(Custody, one.custody),
      Context.add(RefreshPolicy.RefreshPolicy, RefreshPolicy.defaults),
      Context.add(TokenEndpoint, endpoint.service),
      Context.merge(yield* Layer.build(NodeHost.layer))
    )
    const due = yield* Effect.provideService(PostgresDueTimes.make, PostgresSession, one.session)
    const reading = rowsRead(database, one.session)
    const read = yield* reading(one.store.get(TENANT))
    const refreshed = yield* reading(Effect.scoped(
      Effect.flatMap(Effect.provide(RefreshCoordinator.make, context), (made) => made.accessToken(TENANT))
    ))
    assert.lengthOf(endpoint.redemptions, 1)
    const claimed = yield* reading(Effect.gen(function*() {
      const { claims } = yield* due.claim({ limit: 20, except: [] })
      assert.lengthOf(claims, 20)
      yield* due.settle(claims.map((claim) => ({ ...claim, dueAt: claim.dueAt + 3_600_000 })))
    }))
    // With every issuer left out of which 100,000 tenants are due.
    const next = yield* reading(
      due.claim({ limit: 20, except: ["https://as-0.example", "https://as-1.example", "https://as-2.example"] })
    )
    return { read, refreshed, claimed, next }
  }))

Fleets.onEach((server, name) => {
  // It fills tables for seconds, and both versions plan these statements alike.
  if (server.version !== 18 && server.version !== 0) return

  describe(`100,000 tenants: ${name}`, () => {
    it.scopedLive(
      "reading, refreshing and claiming read as many rows as among 1,000, and scan no table",
      () =>
        Effect.gen(function*() {
          const few = yield* measured(server, 1_000)
          const many = yield* measured(server, 100_000)
          for (const [what, counted] of Object.entries(many)) {
            assert.strictEqual(counted.scanned, 0, what)
            assert.isAtMost(counted.fetched, 1.5 * few[what as keyof typeof few].fetched + 5, what)
          }
          // Three issuers of which twenty are looked at each, and twenty that are moved and settled.
          assert.isAtMost(many.claimed.fetched, 3 * 20 + 8 * 20 + 20)
        }),
      180_000
    )
  })
})
