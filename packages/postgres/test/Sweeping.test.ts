import { assert, describe, it } from "@effect/vitest"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import { DueTimes } from "@lockstep/core/DueTimes"
import { IssuerBudget } from "@lockstep/core/IssuerBudget"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as Sweep from "@lockstep/core/Sweep"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import { Change } from "@lockstep/core/WritableStore"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as PostgresDueTimes from "@lockstep/postgres/PostgresDueTimes"
import * as PostgresIssuerBudget from "@lockstep/postgres/PostgresIssuerBudget"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Fleets from "./support/fleets.js"

const TENANTS = Array.from({ length: 12 }, (_, at) => TenantId.make(`agent-${at}`))

const inSeconds = (seconds: number) => {
  const now = Math.floor(Date.now() / 1_000)
  return { expiresAt: Option.some(now + seconds), obtainedAt: Option.some(now + seconds - 3_600) }
}

/** A host with a process that sweeps, and asks the given server. */
const host = (database: Fleets.Database, server: ScriptedTokenEndpoint.ScriptedTokenEndpoint) =>
  Effect.gen(function*() {
    const one = yield* Fleets.open(database, yield* Fleets.temporary)
    const due = yield* Effect.provideService(PostgresDueTimes.make, PostgresSession, one.session)
    const context = Context.empty().pipe(
      Context.add(CredentialStore, one.store),
      Context.add(Custody, one.custody),
      Context.add(RefreshPolicy.RefreshPolicy, RefreshPolicy.defaults),
      Context.add(TokenEndpoint, server.service),
      Context.add(DueTimes, due),
      Context.add(
        IssuerBudget,
        yield* Effect.provideService(
          PostgresIssuerBudget.make(() => ({ rate: 1_000, burst: 1_000 })),
          PostgresSession,
          one.session
        )
      ),
      Context.merge(yield* Layer.build(NodeHost.layer))
    )
    const coordinator = yield* Effect.provide(RefreshCoordinator.make, context)
    const sweep = Sweep.start({ keep: Sweep.everything, batch: 5, poll: "50 millis" }).pipe(
      Effect.provide(Context.add(context, RefreshCoordinator.RefreshCoordinator, coordinator))
    )
    return { ...one, due, coordinator, sweep }
  })

Fleets.onEach((server, name) => {
  describe(`a sweep of hosts: ${name}`, () => {
    it.scopedLive(
      "two that sweep refresh each due login once, and no due time is forgotten",
      () =>
        Effect.gen(function*() {
          const database = yield* Fleets.database(server)
          const endpoint = yield* ScriptedTokenEndpoint.make
          const hosts = [yield* host(database, endpoint), yield* host(database, endpoint)]
          for (const tenant of TENANTS) {
            yield* hosts[0]!.store.modify(
              tenant,
              () => Change.Put({ credential: endpoint.issue(inSeconds(-10)), value: () => undefined })
            )
          }
          for (const one of hosts) yield* one.sweep
          for (const _ of TENANTS) yield* Queue.take(endpoint.arrivals)
          // Settled, and drawn into the second half of a new lifetime.
          const settled = database.sql(
            `select count(*)::int as count from lockstep.schedule where keep = 'fresh' and version > 1
            and due_at between now() + interval '25 minutes' and now() + interval '52 minutes'`
          )
          yield* Effect.repeat(settled, { until: ([row]) => row!["count"] === TENANTS.length })
          assert.lengthOf(endpoint.requests, TENANTS.length)
          assert.deepStrictEqual(endpoint.reuses, [])
          const issuers = yield* database.sql("select issuer, revision::int from lockstep.issuer")
          assert.deepStrictEqual(issuers.map(({ issuer }) => issuer), ["https://as.example/token"])
        }),
      120_000
    )

    it.scopedLive("what another statement has locked is skipped, and not waited for", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const endpoint = yield* ScriptedTokenEndpoint.make
        const { due, store } = yield* host(database, endpoint)
        for (const tenant of TENANTS.slice(0, 2)) {
          yield* store.modify(tenant, () =>
            Change.Put({ credential: endpoint.issue(inSeconds(-10)), value: () => undefined }))
        }
        const first = "select id from lockstep.tenant order by id limit 1"
        yield* database.sql("begin")
        yield* database.sql(
          `update lockstep.schedule set due_at = due_at + interval '1 hour' where tenant_id = (${first})`
        )
        const { claims } = yield* due.claim({ limit: 5, except: [] })
        yield* database.sql("commit")
        assert.deepStrictEqual(
          claims.map(({ tenant }) =>
            tenant
          ),
          [TENANTS[1]]
        )
      }), 60_000)

    it.scopedLive("a use is noted once an hour, and makes due what was only kept alive", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const endpoint = yield* ScriptedTokenEndpoint.make
        const { coordinator, due, store } = yield* host(database, endpoint)
        const [tenant] = TENANTS
        yield* store.modify(tenant!, () =>
          Change.Put({ credential: endpoint.issue(inSeconds(3_600)), value: () => undefined }))
        yield* database.sql(
          `update lockstep.schedule set used_at = now() - interval '2 days', keep = 'alive', version = 1,
            due_at = now() + interval '5 days'`
        )
        const row = Effect.map(
          database.sql(
            `select used_at > now() - interval '1 minute' as used, due_at <= now() as due, version from lockstep.schedule`
          ),
          ([found]) =>
            found!
        )
        assert.deepStrictEqual(yield* row, { used: false, due: false, version: "1" })
        const scoped = Sweep.noting(coordinator, due)
        yield* scoped.accessToken(tenant!)
        yield* Effect.repeat(row, { until: ({ used }) => used === true })
        assert.deepStrictEqual(yield* row, { used: true, due: true, version: null })
        // The next one of the hour writes nothing: another process' use is not this one's memory.
        const other = yield* host(database, endpoint)
        yield* database.sql("update lockstep.schedule set due_at = now() + interval '5 days'")
        yield* Effect.scoped(Effect.gen(function*() {
          const again = yield* Effect.provideService(PostgresDueTimes.make, PostgresSession, other.session)
          yield* again.used(tenant!)
        }))
        assert.deepStrictEqual(yield* row, { used: true, due: false, version: null })
      }), 120_000)
  })
})
