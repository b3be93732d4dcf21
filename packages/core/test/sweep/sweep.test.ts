import { assert, describe, it } from "@effect/vitest"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as DueTimes from "@lockstep/core/DueTimes"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Sweep from "@lockstep/core/Sweep"
import * as TenantId from "@lockstep/core/TenantId"
import * as MemoryMachine from "@lockstep/testkit/memory/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Simulation from "@lockstep/testkit/memory/Simulation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

const { otherTenant, tenant } = MemoryMachine
const DAY = 24 * 3_600

/** Runs a scene in virtual time, under several schedules: a day of it takes no longer than what happens in it. */
const scene = <E>(name: string, program: Effect.Effect<void, E, Scope.Scope>) =>
  it(name, () => {
    for (const seed of [1, 2, 3]) {
      const exit = Simulation.run(() => Effect.scoped(program), { seed, limit: 10_000_000 })
      if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    }
  })

const pass = (seconds: number) => Effect.sleep(Duration.seconds(seconds))

const machineWith = (...tenants: ReadonlyArray<TenantId.TenantId>) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    for (const one of tenants) yield* machine.write(one, machine.server.issue(yield* Scenario.validFor(3_600)))
    return machine
  })

/** One more process that sweeps, with due times of its own unless some are shared. */
const sweepOn = (
  machine: MemoryMachine.MemoryMachine,
  options: Sweep.Options & { readonly due?: DueTimes.DueTimes["Type"]; readonly terms?: IssuerBudget.Terms } = {}
) =>
  Effect.gen(function*() {
    const coordinator = yield* machine.process
    const due = options.due ?? (yield* Effect.provideService(DueTimes.makeMemory, CredentialStore, machine.store))
    const { state } = yield* Sweep.start({ keep: Sweep.everything, ...options }).pipe(
      Effect.provideService(CredentialStore, machine.store),
      Effect.provideService(DueTimes.DueTimes, due),
      Effect.provideService(
        IssuerBudget.IssuerBudget,
        IssuerBudget.makeMemory(() => options.terms ?? IssuerBudget.defaults)
      ),
      // As a process has it that serves callers, too: what the sweep itself asks for must not count as a use.
      Effect.provideService(RefreshCoordinator, Sweep.noting(coordinator, due))
    )
    return { coordinator, due, state }
  })

/** Seconds between the redemptions of a server. */
const gaps = ({ arrivedAt }: MemoryMachine.MemoryMachine["server"]) =>
  arrivedAt.slice(1).map((at, index) => (at - arrivedAt[index]!) / 1_000)

const remaining = (machine: MemoryMachine.MemoryMachine, one = tenant) =>
  Effect.map(
    Effect.all([machine.read(one), Clock.currentTimeMillis]),
    ([{ expiresAt }, now]) => Option.getOrThrow(expiresAt) - now / 1_000
  )

describe("a sweep", () => {
  scene(
    "refreshes between 50 and 85 % of each lifetime, all day",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant)
      yield* sweepOn(machine)
      yield* pass(DAY)
      assert.isAbove(gaps(machine.server).length, 24)
      for (const gap of gaps(machine.server)) {
        assert.isAtLeast(gap, 0.5 * 3_600 - 1)
        assert.isAtMost(gap, 0.85 * 3_600 + 60)
      }
      assert.deepStrictEqual(machine.server.reuses, [])
    })
  )

  scene(
    "draws each moment anew, evenly: what logged in at once does not stay together",
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      for (let at = 0; at < 40; at++) {
        yield* machine.write(TenantId.make(`t${at}`), machine.server.issue(yield* Scenario.validFor(3_600)))
      }
      yield* sweepOn(machine, { terms: { rate: 1_000, burst: 1_000 } })
      const began = yield* Clock.currentTimeMillis
      yield* pass(3_300)
      const moments = machine.server.arrivedAt.slice(0, 40).map((at) => (at - began) / 3_600_000)
      assert.lengthOf(moments, 40)
      const fifths = [0.5, 0.57, 0.64, 0.71, 0.78].map((from) =>
        moments.filter((at) => at >= from && at < from + 0.07).length
      )
      assert.isAtLeast(Math.min(...fifths), 2, fifths.join(" "))
      const mean = moments.reduce((sum, at) => sum + at, 0) / moments.length
      assert.isAtLeast(mean, 0.63)
      assert.isAtMost(mean, 0.72)
    })
  )

  scene(
    "does no work twice with a `keepFresh` of another process, nor with another sweep",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant)
      yield* (yield* machine.process).keepFresh(tenant)
      yield* sweepOn(machine)
      yield* sweepOn(machine)
      yield* pass(DAY)
      assert.isAtLeast(Math.min(...gaps(machine.server)), 0.5 * 3_600 - 1)
      assert.deepStrictEqual(machine.server.requests.length, machine.server.redemptions.length)
    })
  )

  scene(
    "does no work twice with another one of the same due times",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant, otherTenant)
      const { due } = yield* sweepOn(machine)
      yield* sweepOn(machine, { due })
      yield* pass(6 * 3_600)
      // Two logins, each of them at most twice an hour.
      assert.isAtMost(machine.server.requests.length, 2 * 12)
      assert.isAtLeast(machine.server.requests.length, 2 * 7)
      assert.isAbove(yield* remaining(machine), 0)
      assert.isAbove(yield* remaining(machine, otherTenant), 0)
    })
  )

  scene(
    "takes over what a caller refreshed, and waits for half of the life of that",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant)
      const { coordinator } = yield* sweepOn(machine)
      yield* pass(1_700)
      assert.deepStrictEqual(machine.server.requests, [])
      yield* coordinator.refresh(tenant)
      yield* pass(1_700)
      assert.strictEqual(machine.server.requests.length, 1)
      yield* pass(1_500)
      assert.strictEqual(machine.server.requests.length, 2)
    })
  )

  scene(
    "keeps the refresh token alive of what is not used, leaves alone what is cold, and what is used again is fresh",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant, otherTenant)
      const { coordinator, due } = yield* sweepOn(machine, {
        keep: (candidate) => candidate.tenant === otherTenant ? "cold" : Sweep.usedWithin("1 hour")(candidate),
        idleExpiry: () => Option.some("4 days")
      })
      const noting = Sweep.noting(coordinator, due)
      yield* pass(DAY / 2)
      const fresh = machine.server.requests.length
      assert.isAtMost(fresh, 3)
      yield* pass(2 * DAY)
      const alive = machine.server.requests.length
      // Every day, a quarter of four.
      assert.isAtLeast(alive - fresh, 1)
      assert.isAtMost(alive - fresh, 3)
      assert.isBelow(yield* remaining(machine), 0)
      assert.isBelow(yield* remaining(machine, otherTenant), 0)
      yield* noting.accessToken(tenant)
      const used = machine.server.requests.length
      yield* pass(3_300)
      assert.isAbove(yield* remaining(machine), 0)
      assert.strictEqual(machine.server.requests.length, used + 1)
    })
  )

  scene(
    "takes up a login that was made while it ran, and forgets one that was removed",
    Effect.gen(function*() {
      const machine = yield* machineWith(otherTenant)
      yield* sweepOn(machine)
      yield* pass(120)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(600)))
      yield* machine.erase(otherTenant)
      yield* pass(660)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-1"])
      yield* pass(3_600)
      assert.isTrue(machine.server.redemptions.every((one) => one !== "lockstep-rt-0"))
    })
  )

  scene(
    "asks a server that refuses no more until it may, and then goes on",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant)
      machine.server.next(Scenario.rateLimited(300))
      yield* sweepOn(machine)
      yield* pass(3_600)
      const [refused, next] = machine.server.arrivedAt
      assert.isAtLeast(next! - refused!, 300_000)
      assert.isAbove(yield* remaining(machine), 0)
    })
  )

  scene(
    "leaves a login that is over alone, and goes on with the next one",
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(-10)))
      machine.server.next(Scenario.INVALID_GRANT)
      const { state } = yield* sweepOn(machine)
      yield* pass(DAY / 4)
      assert.strictEqual(machine.server.requests.length, 1)
      assert.strictEqual((yield* state).failed, 1)
      yield* machine.write(tenant, machine.server.issue(yield* Scenario.validFor(-10)))
      yield* pass(1_000)
      assert.strictEqual(machine.server.redemptions.length, 1)
    })
  )

  scene(
    "waits for a store that is away, and goes on when it is back",
    Effect.gen(function*() {
      let isAway = false
      const machine = yield* machineWith(tenant)
      const due = yield* Effect.provideService(DueTimes.makeMemory, CredentialStore, machine.store)
      const away = new CredentialStoreError({ reason: "Unavailable", location: "memory" })
      yield* sweepOn(machine, {
        due: { ...due, claim: (options) => Effect.suspend(() => isAway ? away : due.claim(options)) }
      })
      yield* pass(60)
      isAway = true
      yield* pass(3_000)
      assert.deepStrictEqual(machine.server.requests, [])
      isAway = false
      yield* pass(90)
      assert.strictEqual(machine.server.redemptions.length, 1)
    })
  )

  scene(
    "claims half as much from a store that is slow, and all of it again once that is quick",
    Effect.gen(function*() {
      let takes = 2_000
      const limits: Array<number> = []
      const machine = yield* machineWith(tenant)
      const due = yield* Effect.provideService(DueTimes.makeMemory, CredentialStore, machine.store)
      yield* sweepOn(machine, {
        batch: 16,
        idle: "1 second",
        due: {
          ...due,
          claim: (options) => {
            limits.push(options.limit)
            return Effect.delay(due.claim(options), Duration.millis(takes))
          }
        }
      })
      yield* pass(60)
      assert.deepStrictEqual(limits.slice(0, 6), [16, 8, 4, 2, 1, 1])
      takes = 0
      yield* pass(60)
      assert.strictEqual(limits.at(-1), 16)
    })
  )

  scene(
    "survives a policy that fails",
    Effect.gen(function*() {
      const machine = yield* machineWith(tenant, otherTenant)
      yield* sweepOn(machine, {
        keep: (candidate) => {
          if (candidate.tenant === otherTenant) throw new Error("a policy of another program")
          return "fresh"
        }
      })
      yield* pass(3_300)
      assert.deepStrictEqual(machine.server.redemptions, ["lockstep-rt-0"])
    })
  )

  scene(
    "says nothing of user, password or query of a server",
    Effect.gen(function*() {
      const machine = yield* machineWith()
      yield* machine.write(
        tenant,
        machine.server.issue({
          ...(yield* Scenario.validFor(10)),
          issuer: Option.some("https://user:lockstep-secret@as.example/realm?key=lockstep-secret"),
          accessToken: Option.some(Redacted.make("lockstep-at-x"))
        })
      )
      machine.server.next(Scenario.rateLimited(300))
      const { state } = yield* sweepOn(machine)
      yield* pass(30)
      assert.deepStrictEqual((yield* state).waitingFor, [])
      const seen: Array<string> = []
      const budget = IssuerBudget.makeMemory()
      yield* Sweep.start({ keep: Sweep.everything }).pipe(
        Effect.provideService(CredentialStore, machine.store),
        Effect.provideServiceEffect(
          DueTimes.DueTimes,
          Effect.provideService(DueTimes.makeMemory, CredentialStore, machine.store)
        ),
        Effect.provideService(IssuerBudget.IssuerBudget, {
          ...budget,
          take: (issuer, wanted) => {
            seen.push(issuer)
            return budget.take(issuer, wanted)
          }
        }),
        Effect.provideService(RefreshCoordinator, yield* machine.process)
      )
      yield* pass(30)
      assert.deepStrictEqual([...new Set(seen)], ["https://as.example/realm"])
    })
  )
})
