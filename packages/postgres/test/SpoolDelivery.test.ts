import { assert, describe, it } from "@effect/vitest"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import { Spool } from "@lockstep/postgres/Spool"
import * as SpoolDelivery from "@lockstep/postgres/SpoolDelivery"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Fs from "node:fs"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")

Fleets.onEach((server, name) => {
  describe(`SpoolDelivery: ${name}`, () => {
    const stage = (what: "takes" | "refuses" | "is silent") =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const { session, spool } = yield* Fleets.open(database, directory)
        const asked = yield* Queue.unbounded<TenantId.TenantId>()
        const storeKept = (tenant: TenantId.TenantId) =>
          Effect.zipRight(
            Queue.offer(asked, tenant),
            what === "takes" ? Effect.orDie(spool.stored(tenant)) : what === "refuses" ? Effect.void : Effect.never
          )
        const layer = SpoolDelivery.layer.pipe(
          Layer.provide(
            Layer.succeed(
              RefreshCoordinator,
              { storeKept } satisfies Pick<RefreshCoordinator["Type"], "storeKept"> as never
            )
          ),
          Layer.provide(Layer.succeed(PostgresSession, session)),
          Layer.provide(Layer.succeed(Spool, spool))
        )
        return { database, directory, session, spool, asked, layer }
      })

    it.scopedLive("brings what lies in the spool at once, and again after the session was lost", () =>
      Effect.gen(function*() {
        const { asked, database, directory, layer, session, spool } = yield* stage("takes")
        yield* session.presence
        yield* spool.keep(CODEX, Custodies.answer)
        yield* Layer.build(layer)
        assert.strictEqual(yield* Queue.take(asked), CODEX)
        assert.isTrue(Fs.readdirSync(directory).every((file) => file.endsWith(".stored")))
        const { id } = yield* session.presence
        yield* database.sql("select pg_terminate_backend(backend) from lockstep.session where presence = $1", [id])
        // Another database may answer by now, which lacks what was stored.
        assert.strictEqual(yield* Queue.take(asked), CODEX)
      }))

    it.scopedLive("tries again while something is left, and once more at the end", () =>
      Effect.gen(function*() {
        const { asked, layer, spool } = yield* stage("refuses")
        yield* spool.keep(CODEX, Custodies.answer)
        yield* Effect.scoped(Effect.gen(function*() {
          yield* Layer.build(layer)
          for (const _ of [1, 2]) assert.strictEqual(yield* Queue.take(asked), CODEX)
          yield* Queue.takeAll(asked)
        }))
        assert.isAbove((yield* Queue.takeAll(asked)).length, 0)
      }))

    it.scoped("ends in time where the database does not answer", () =>
      Effect.gen(function*() {
        const { asked, layer, spool } = yield* stage("is silent")
        yield* spool.keep(CODEX, Custodies.answer)
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(layer, scope)
        yield* Queue.take(asked)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* TestClock.adjust(0)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* Queue.take(asked), CODEX, "once more at the end")
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(closing)
      }), 30_000)
  })
})
