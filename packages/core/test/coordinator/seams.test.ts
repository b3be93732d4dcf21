/** Where two steps of the transaction meet, and something else happens in between. */
import { assert, describe, it } from "@effect/vitest"
import { Account } from "@lockstep/core/Credential"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStoreError, type RefreshError } from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

const { tenant, valueOf } = MemoryMachine

const expired = { expiresAt: Option.some(1), obtainedAt: Option.some(0.5) }
const full = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })
const start = (machine: MemoryMachine.MemoryMachine, pid: number, options: Partial<MortalProcess.Options> = {}) =>
  MortalProcess.make({
    store: machine.store,
    lock: machine.lock,
    journal: machine.journal,
    endpoint: machine.server.service
  }, { pid, ...options })

/** A scene in virtual time; one that hangs fails at once. */
const scene = (name: string, body: (world: Simulation.World) => Effect.Effect<void, unknown>) =>
  it(name, () => {
    const exit = Simulation.run(body, { seed: 1 })
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  })

const reasonOf = (error: RefreshError): string => "reason" in error ? error.reason : error._tag

describe("an answer that could not be stored", () => {
  scene(
    "does not keep the closing service waiting for a lock for longer than lockTimeout",
    () =>
      Effect.gen(function*() {
        const machine = yield* MemoryMachine.make({ journal: { keep: () => Effect.fail(full) } })
        yield* machine.write(tenant, machine.server.issue(expired))
        const store = { ...machine.store, modify: () => Effect.fail(full) }
        const first = yield* start({ ...machine, store }, 1)
        yield* Effect.flip(first.coordinator.accessToken(tenant))
        yield* machine.lock.tryAcquire(LockTarget.Tenant({ tenant }))
        const began = yield* Clock.currentTimeMillis
        yield* first.close
        assert.isAtMost((yield* Clock.currentTimeMillis) - began, 31_000)
      })
  )
})

describe("a refusal for good", () => {
  scene("that no re-read can confirm spends no retry", () =>
    Effect.gen(function*() {
      let isUnreadable = false
      const machine = yield* MemoryMachine.make({
        store: {
          get: () =>
            isUnreadable
              ? Effect.fail(new CredentialStoreError({ reason: "Read", location: "memory" }))
              : Effect.void
        }
      })
      yield* machine.write(tenant, machine.server.issue(expired))
      const refusal = RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
      machine.server.next({ _tag: "Answer", answer: refusal })
      machine.server.next({ _tag: "Answer", answer: refusal })
      const endpoint = {
        ...machine.server.service,
        prepare: ((...args) =>
          Effect.map(machine.server.service.prepare(...args), ({ redeem }) => ({
            redeem: (limit) =>
              Effect.tap(redeem(limit), () =>
                Effect.sync(() => {
                  isUnreadable = machine.server.requests.length === 1
                }))
          }))) as typeof machine.server.service.prepare
      }
      const process = yield* MortalProcess.make({ ...machine, endpoint }, { pid: 1 })
      assert.strictEqual(reasonOf(yield* Effect.flip(process.coordinator.accessToken(tenant))), "Read")
      isUnreadable = false
      assert.strictEqual(reasonOf(yield* Effect.flip(process.coordinator.accessToken(tenant))), "InvalidGrant")
    }))
})

describe("a token that is served because its refresh takes long", () => {
  scene("is not served when it expired while the caller was waiting", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const now = (yield* Clock.currentTimeMillis) / 1_000
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(now + 1.5), obtainedAt: Option.some(now - 3_600) })
      )
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      yield* Effect.fork(Effect.delay(Deferred.succeed(gate, undefined), "3 seconds"))
      const process = yield* start(machine, 1)
      assert.strictEqual(valueOf(yield* process.coordinator.accessToken(tenant)), "lockstep-at-1")
      yield* process.close
    }))

  scene("is not served when its login was removed while the caller was waiting", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const now = (yield* Clock.currentTimeMillis) / 1_000
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(now + 60), obtainedAt: Option.some(now - 3_600) })
      )
      machine.server.next({ _tag: "Hang", consume: false })
      const process = yield* start(machine, 1)
      const caller = yield* Effect.fork(Effect.either(process.coordinator.accessToken(tenant)))
      yield* Effect.sleep("1 second")
      yield* machine.erase(tenant)
      const result = yield* Fiber.join(caller)
      assert.strictEqual(Either.isLeft(result) ? reasonOf(result.left) : valueOf(result.right), "Removed")
      yield* process.close
    }))

  scene("is no token of another account than the caller's", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const now = (yield* Clock.currentTimeMillis) / 1_000
      const login = (id: string, left: number) =>
        machine.server.issue({
          expiresAt: Option.some(now + left),
          obtainedAt: Option.some(now - 3_600),
          account: Option.some(Account.make({ id: Option.some(id), label: Option.none() }))
        })
      yield* machine.write(tenant, login("a", 60))
      yield* machine.lock.tryAcquire(LockTarget.Tenant({ tenant }))
      const process = yield* start(machine, 1)
      const caller = yield* Effect.fork(Effect.either(process.coordinator.accessToken(tenant)))
      yield* Effect.sleep("1900 millis")
      yield* machine.write(tenant, login("b", 60))
      const result = yield* Fiber.join(caller)
      assert.strictEqual(Either.isLeft(result) ? reasonOf(result.left) : valueOf(result.right), "Superseded")
      yield* process.close
    }))
})

describe("logins that revoke each other's tokens", () => {
  const group = "https://as.example client"
  const revoking = { rotates: true, margin: Option.none(), rotationGroup: Option.some(group) }

  scene("do not keep a waiter from what another process has just stored", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      machine.server.traits = revoking
      yield* machine.write(tenant, machine.server.issue(expired))
      // A sibling's refresh, which takes long.
      yield* machine.lock.tryAcquire(LockTarget.RotationGroup({ group }))
      const process = yield* start(machine, 1)
      const waiter = yield* Effect.fork(process.coordinator.accessToken(tenant))
      yield* Effect.sleep("5 seconds")
      const now = (yield* Clock.currentTimeMillis) / 1_000
      yield* machine.write(
        tenant,
        machine.server.issue({ expiresAt: Option.some(now + 3_600), obtainedAt: Option.some(now) })
      )
      assert.strictEqual(valueOf(yield* Fiber.join(waiter)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, [])
      yield* process.close
    }))
})

describe("a defect", () => {
  scene("of the endpoint after the intent is an unknown outcome, and gets the one retry", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      let times = 0
      const endpoint = {
        ...machine.server.service,
        prepare: ((...args) =>
          Effect.map(machine.server.service.prepare(...args), ({ redeem }) => ({
            redeem: (limit) => Effect.suspend(() => times++ === 0 ? Effect.die(new Error("a bug")) : redeem(limit))
          }))) as typeof machine.server.service.prepare
      }
      const began = yield* Clock.currentTimeMillis
      const process = yield* MortalProcess.make({ ...machine, endpoint }, { pid: 1 })
      assert.strictEqual(valueOf(yield* process.coordinator.accessToken(tenant)), "lockstep-at-1")
      assert.isAtLeast((yield* Clock.currentTimeMillis) - began, 2_000)
      yield* process.close
    }))

  scene("of the store after the answer leaves the answer in its file", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      yield* machine.write(tenant, machine.server.issue(expired))
      const store = { ...machine.store, modify: () => Effect.die(new Error("a bug")) }
      const first = yield* start({ ...machine, store }, 1)
      const error = yield* Effect.flip(first.coordinator.accessToken(tenant))
      assert.strictEqual(error._tag, "RotationNotPersisted")
      assert.notInclude(error.message, "a bug")
      yield* first.close
      const second = yield* start(machine, 2)
      assert.strictEqual(valueOf(yield* second.coordinator.accessToken(tenant)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      yield* second.close
    }))
})
