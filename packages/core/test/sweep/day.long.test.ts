import { assert, describe, it } from "@effect/vitest"
import { AccessToken } from "@lockstep/core/AccessToken"
import * as Credential from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as DueTimes from "@lockstep/core/DueTimes"
import { ProviderUnavailable } from "@lockstep/core/Errors"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Sweep from "@lockstep/core/Sweep"
import * as TenantId from "@lockstep/core/TenantId"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

const HOUR = 3_600_000
/** What the server takes in all; the sweep uses half of it. */
const TERMS = { rate: 140, burst: 140 }
const QUARTER = { rate: 35, burst: 35 }

const secret = Option.some(Redacted.make("lockstep-rt-scripted"))
const none = Option.none()

interface World {
  readonly credentials: Array<Credential.Stored>
  /** Redemptions of each second since the beginning. */
  readonly sent: Array<number>
  refused: number
  /** Tokens that had run out when they were refreshed. */
  late: number
  /** Tenants whose token was redeemed although half of its life lay before it. */
  early: number
}

/** What is issued in one moment is one record: 100,000 of them would be work for the collector of garbage alone. */
const issuing = () => {
  let last: readonly [number, Credential.Stored] | undefined
  return (now: number): Credential.Stored => {
    if (last?.[0] === now) return last[1]
    const credential = new Credential.Credential({
      issuer: Option.some("https://as.example"),
      refreshToken: secret,
      accessToken: secret,
      expiresAt: Option.some(Math.floor((now + HOUR) / 1_000)),
      obtainedAt: Option.some(Math.floor(now / 1_000))
    })
    last = [now, { credential, version: Credential.Version(String(now)) }]
    return last[1]
  }
}

/** A provider and a store whose calls take no time: of the coordinator only what the sweep relies on. */
const scripted = (
  world: World,
  began: number,
  issued: (now: number) => Credential.Stored,
  isRefusing: (now: number) => boolean
) => {
  const indexOf = (tenant: TenantId.TenantId) => Number(tenant.slice(1))
  const tenants = world.credentials.map((_, index) => TenantId.make(`t${index}`))
  const token = new AccessToken({
    tenant: tenants[0]!,
    token: Redacted.make("lockstep-at-scripted"),
    tokenType: "Bearer",
    scope: none,
    resource: none,
    expiresAt: none,
    account: none,
    generation: 1
  })
  const accessToken: RefreshCoordinator["Type"]["accessToken"] = (tenant, demand) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const index = indexOf(tenant)
      const { credential } = world.credentials[index]!
      const left = Option.getOrThrow(credential.expiresAt) * 1_000 - now
      if (left > Duration.toMillis(demand!.minTtl!)) return Effect.succeed(token)
      const second = Math.floor((now - began) / 1_000)
      world.sent[second] = (world.sent[second] ?? 0) + 1
      if (isRefusing(now)) {
        world.refused += 1
        return new ProviderUnavailable({ tenant, reason: "RateLimited", retryAfter: 30_000 })
      }
      if (left < 0) world.late += 1
      if (left > HOUR / 2) world.early += 1
      world.credentials[index] = issued(now)
      return Effect.succeed(token)
    })
  return {
    store: {
      location: "scripted",
      get: (tenant: TenantId.TenantId) => Effect.sync(() => Option.some(world.credentials[indexOf(tenant)]!)),
      list: Effect.succeed(tenants)
    } as unknown as CredentialStore["Type"],
    coordinator: { accessToken } as RefreshCoordinator["Type"]
  }
}

/** Sweeps for so many hours from logins that were all made in one moment. */
const sweepFor = ({ hours, isRefusing = () => false, tenants, terms }: {
  readonly hours: number
  readonly tenants: number
  readonly terms: IssuerBudget.Terms
  readonly isRefusing?: (at: number) => boolean
}) => {
  const world: World = { credentials: [], sent: [], refused: 0, late: 0, early: 0 }
  const issued = issuing()
  const exit = Simulation.run(() =>
    Effect.scoped(Effect.gen(function*() {
      const began = yield* Clock.currentTimeMillis
      for (let index = 0; index < tenants; index++) world.credentials.push(issued(began))
      const { coordinator, store } = scripted(world, began, issued, (now) => isRefusing(now - began))
      const due = yield* Effect.provideService(DueTimes.makeMemory, CredentialStore, store)
      yield* Sweep.start({ keep: Sweep.everything, poll: "4 seconds" }).pipe(
        Effect.provideService(CredentialStore, store),
        Effect.provideService(DueTimes.DueTimes, due),
        Effect.provideService(IssuerBudget.IssuerBudget, IssuerBudget.makeMemory(() => terms)),
        Effect.provideService(RefreshCoordinator, coordinator)
      )
      yield* Effect.sleep(Duration.hours(hours))
      const now = yield* Clock.currentTimeMillis
      return world.credentials.filter(({ credential }) => Option.getOrThrow(credential.expiresAt) * 1_000 <= now).length
    })), { seed: 16, limit: 1_000_000_000 })
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return { world, expired: exit.value }
}

const sum = (counts: ReadonlyArray<number | undefined>) => counts.reduce<number>((all, count) => all + (count ?? 0), 0)

/** No span of time saw more than the half of the budget that is the sweep's. */
const assertWithinBudget = ({ sent }: World, terms: IssuerBudget.Terms): void => {
  for (const seconds of [1, 10, 60, 600, 3_600]) {
    let inside = 0
    for (let at = 0; at < sent.length; at++) {
      inside += (sent[at] ?? 0) - (sent[at - seconds] ?? 0)
      assert.isAtMost(inside, terms.burst / 2 + (seconds + 1) * terms.rate / 2, `${seconds} s before second ${at}`)
    }
  }
}

const assertFresh = ({ expired, world }: ReturnType<typeof sweepFor>): void => {
  assert.strictEqual(expired, 0)
  assert.strictEqual(world.late, 0)
  assert.strictEqual(world.early, 0)
}

describe("logins that were all made in one moment", () => {
  it("are kept fresh for a day, none refreshed twice, and their server is never asked for more than half of its budget", () => {
    const terms = { rate: 1, burst: 2 }
    const day = sweepFor({ hours: 24, tenants: 100, terms })
    assertFresh(day)
    assertWithinBudget(day.world, terms)
    // Each of them between every 30 and every 51 minutes.
    assert.isAtLeast(sum(day.world.sent), 100 * 24)
    assert.isAtMost(sum(day.world.sent), 100 * 48)
  })

  it(
    "are 25,000 and come out of their first hour, the worst of all, with a server that refuses for two minutes of it",
    () => {
      const from = 33 * 60_000
      const hour = sweepFor({
        hours: 1,
        tenants: 25_000,
        terms: QUARTER,
        isRefusing: (at) => at >= from && at < from + 120_000
      })
      assertFresh(hour)
      assertWithinBudget(hour.world, QUARTER)
      assert.isAbove(hour.world.refused, 0)
      // What was on its way when the server began to refuse, and a probe each time that it asked for.
      assert.isAtMost(hour.world.refused, 20 + 120 / 30)
    },
    120_000
  )

  // It works for minutes without a pause, which Vitest takes for a failure: `--dangerouslyIgnoreUnhandledErrors`.
  it.runIf(process.env["LOCKSTEP_SWEEP_DAY"] === "1")("are 100,000 for a whole day (LOCKSTEP_SWEEP_DAY=1)", () => {
    const day = sweepFor({ hours: 24, tenants: 100_000, terms: TERMS })
    assertFresh(day)
    assertWithinBudget(day.world, TERMS)
    console.info(
      `${sum(day.world.sent)} refreshes, at most ${Math.max(...Array.from(day.world.sent, (n) => n ?? 0))} in a second`
    )
  }, 3_600_000)
})
