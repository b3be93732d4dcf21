import { assert, describe, it } from "@effect/vitest"
import { AccessToken } from "@lockstep/core/AccessToken"
import * as Credential from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as UnderWay from "@lockstep/core/UnderWay"
import * as KeeperSweep from "@lockstep/serve/KeeperSweep"
import * as Usage from "@lockstep/serve/Usage"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

const used = TenantId.make("used")
const unused = TenantId.make("unused")
const HOUR = 3_600

const decode = Schema.decodeUnknownSync(Credential.Credential)

/** Logins of one hour, of which every demand for more validity makes a new one. */
const make = Effect.sync(() => {
  const obtained = new Map<TenantId.TenantId, number>([[used, 0], [unused, 0]])
  const refreshed: Array<TenantId.TenantId> = []
  const recordOf = (tenant: TenantId.TenantId): Credential.Stored => {
    const at = obtained.get(tenant)!
    return {
      version: `v${at}`,
      credential: decode({
        access_token: `a${at}`,
        refresh_token: `r${at}`,
        obtained_at: at + 1,
        expires_at: at + HOUR,
        generation: 1
      })
    } as Credential.Stored
  }
  const store = CredentialStore.of({
    location: "memory",
    get: (tenant) => Effect.sync(() => obtained.has(tenant) ? Option.some(recordOf(tenant)) : Option.none()),
    list: Effect.sync(() => [...obtained.keys()]),
    epoch: () => 0,
    changes: () => Effect.never,
    listen: () => () => {}
  })
  const accessToken = (tenant: TenantId.TenantId) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      refreshed.push(tenant)
      obtained.set(tenant, Math.floor(now / 1000))
      return new AccessToken({
        tenant,
        token: Redacted.make("a"),
        tokenType: "Bearer",
        scope: Option.none(),
        resource: Option.none(),
        expiresAt: Option.some(Math.floor(now / 1000) + HOUR),
        account: Option.none(),
        generation: 1
      })
    })
  const coordinator = RefreshCoordinator.of({
    accessToken,
    peek: accessToken,
    recover: accessToken,
    refresh: () => Effect.never,
    storeKept: () => Effect.void,
    keepFresh: () => Effect.void,
    changes: Stream.never,
    underWay: UnderWay.make()
  })
  return { store, coordinator, refreshed }
})

const within = <A, E>(
  stage: Effect.Effect.Success<typeof make>,
  body: Effect.Effect<A, E, CredentialStore | RefreshCoordinator | Usage.Usage>
) =>
  body.pipe(
    Effect.provide(Usage.layer),
    Effect.provideService(CredentialStore, stage.store),
    Effect.provideService(RefreshCoordinator, stage.coordinator)
  )

describe("what a keeper refreshes ahead of expiry", () => {
  it.scoped("is what was asked for, before it expires, and nothing else", () =>
    Effect.gen(function*() {
      const stage = yield* make
      yield* within(
        stage,
        Effect.scoped(Effect.gen(function*() {
          const usage = yield* Usage.Usage
          yield* KeeperSweep.start("Used")
          yield* TestClock.adjust("10 minutes")
          assert.deepStrictEqual(stage.refreshed, [], "nothing was asked for")
          yield* usage.note(used)
          for (let hour = 1; hour <= 3; hour++) {
            yield* TestClock.adjust("1 hour")
            assert.isAtLeast(stage.refreshed.length, hour, "each hour anew")
          }
          assert.notInclude(stage.refreshed, unused)
          assert.isAtMost(stage.refreshed.length, 6, "once in an expiry, at a moment of its second half")
        }))
      )
    }))

  it.scoped("is every login where the sweep is told so", () =>
    Effect.gen(function*() {
      const stage = yield* make
      yield* within(
        stage,
        Effect.scoped(Effect.gen(function*() {
          yield* KeeperSweep.start("All")
          yield* TestClock.adjust("90 minutes")
          assert.includeMembers(stage.refreshed, [used, unused])
        }))
      )
    }))

  it.effect("counts as used for a day", () =>
    Effect.gen(function*() {
      const usage = yield* Usage.Usage
      yield* usage.note(used)
      yield* TestClock.adjust("23 hours")
      yield* usage.note(unused)
      assert.deepStrictEqual(yield* usage.recent, [used, unused])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(yield* usage.recent, [unused])
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual(yield* usage.recent, [])
    }).pipe(Effect.provide(Usage.layer)))
})
