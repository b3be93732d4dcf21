/** A login among refreshes, logouts and other logins. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import { LockTarget } from "@lockstep/core/CredentialLock"
import { RefreshEvent } from "@lockstep/core/RefreshCoordinator"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const TENANT = LockTarget.Tenant({ tenant })
const GROUP = LockTarget.RotationGroup({ group: "https://as.example client" })
const { failing, observed, of, processOn, untilAllWait } = Scenario

const NEW = { replace: false }
const REPLACE = { replace: true }

/** A refresh that another process has sent, and whose answer comes when it is let. */
const refreshing = (machine: MemoryMachine.MemoryMachine) =>
  Effect.gen(function*() {
    const gate = yield* Deferred.make<void>()
    machine.server.next({ _tag: "GrantLate", gate })
    const coordinator = yield* processOn(machine)
    const caller = yield* Effect.fork(Scenario.outcome(coordinator.accessToken(tenant)))
    yield* Queue.take(machine.server.arrivals)
    return { answer: Deferred.succeed(gate, undefined), caller, coordinator }
  })

describe("a login during another process's refresh", () => {
  it.scoped("spends nothing until that is stored, and is the one that stays", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const valid = yield* Scenario.validFor(3_000)
      const { answer, caller, coordinator } = yield* refreshing(machine)
      let present = "none"
      const login = yield* Effect.fork(machine.writer.login(
        tenant,
        Effect.orDie(Effect.map(machine.refreshToken(tenant), (token) => {
          present = token
          return machine.server.issue(valid)
        })),
        REPLACE
      ))
      yield* Queue.take(lock.busy)
      assert.strictEqual(present, "none")
      yield* answer
      const { stored } = yield* Fiber.join(login)
      assert.strictEqual(yield* Fiber.join(caller), "lockstep-at-1")
      assert.strictEqual(present, "lockstep-rt-1")
      assert.strictEqual(stored.credential.generation, 3)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-2")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("does not replace unasked what that has just stored", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const { answer, caller } = yield* refreshing(machine)
      let times = 0
      const login = yield* Effect.fork(failing(machine.writer.login(
        tenant,
        Effect.sync(() => {
          times++
          return machine.server.issue()
        }),
        NEW
      )))
      yield* Queue.take(lock.busy)
      yield* answer
      assert.strictEqual(yield* Fiber.join(login), "CredentialExists")
      yield* Fiber.join(caller)
      assert.strictEqual(times, 0)
    }))
})

describe("a new login", () => {
  it.scoped("is adopted by a running process at its next call, without a request", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin({}, of("ann"))
      yield* machine.write(tenant, machine.server.issue({ ...(yield* Scenario.validFor(3_000)), ...of("ann") }))
      const { accessToken, events, warnings } = yield* observed(machine)
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-1")
      const valid = yield* Scenario.validFor(3_000)
      yield* machine.writer.login(tenant, Effect.sync(() => machine.server.issue({ ...valid, ...of("ann") })), REPLACE)
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-2")
      yield* untilAllWait
      assert.deepStrictEqual([machine.server.requests, warnings], [[], []])
      assert.deepStrictEqual(events, [RefreshEvent.Adopted({ tenant, generation: 3 })])
    }))

  it.scoped("of another account ends a waiting flight, and the next call adopts it with the one warning", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service }, of("ann"))
      const { accessToken, events, warnings } = yield* observed(machine)
      const begun = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const valid = yield* Scenario.validFor(3_000)
      const login = yield* Effect.fork(machine.writer.login(
        tenant,
        Deferred.succeed(begun, undefined).pipe(
          Effect.zipRight(Deferred.await(gate)),
          Effect.zipRight(Effect.sync(() => machine.server.issue({ ...valid, ...of("bob") })))
        ),
        REPLACE
      ))
      yield* Deferred.await(begun)
      const caller = yield* Effect.fork(failing(accessToken))
      yield* Queue.take(lock.busy)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(login)
      assert.strictEqual(yield* Fiber.join(caller), "CredentialStoreError(Superseded)")
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-1")
      assert.strictEqual(valueOf(yield* accessToken), "lockstep-at-1")
      yield* untilAllWait
      assert.strictEqual(warnings.length, 1)
      assert.deepStrictEqual(events, [RefreshEvent.AccountChanged({ tenant, from: "ann", to: "bob" })])
      assert.deepStrictEqual(machine.server.requests, [])
    }))

  it.scoped("after a logout that it waited for continues its generations", () =>
    Effect.gen(function*() {
      const lock = yield* ControlledLock.make
      const machine = yield* Scenario.expiredLogin({ lock: lock.service })
      const gate = yield* Deferred.make<void>()
      machine.server.revoke = Effect.zipRight(Deferred.await(gate), machine.server.revoke)
      const removing = yield* Effect.fork(machine.writer.remove(tenant, { revoke: true }))
      yield* untilAllWait
      const login = yield* Effect.fork(machine.writer.login(tenant, Effect.sync(() => machine.server.issue()), NEW))
      yield* Queue.take(lock.busy)
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue((yield* Fiber.join(removing)).removed)
      const { replaced, stored } = yield* Fiber.join(login)
      assert.strictEqual(stored.credential.generation, 2)
      assertEquals(replaced, Option.none())
    }))
})

describe("a client's registration", () => {
  it.scoped("survives refreshes, and its end stops them before anything is sent", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.expiredLogin({}, {
        clientSecretExpiresAt: Option.some(3 * 3_600),
        tokenEndpointAuthMethod: Option.some("client_secret_post")
      })
      const coordinator = yield* processOn(machine)
      yield* coordinator.accessToken(tenant)
      const after = yield* machine.read(tenant)
      assertEquals(after.clientSecretExpiresAt, Option.some(3 * 3_600))
      assertEquals(after.tokenEndpointAuthMethod, Option.some("client_secret_post"))
      yield* TestClock.adjust("2 hours")
      for (
        const call of [
          coordinator.accessToken(tenant),
          Effect.map(coordinator.refresh(tenant), ({ token }) => token)
        ]
      ) {
        assert.strictEqual(yield* failing(call), "ReauthorizationRequired(RegistrationExpired)")
      }
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
    }))

  it.scoped("that has ended leaves an unexpired access token to be served", () =>
    Effect.gen(function*() {
      const machine = yield* Scenario.agingLogin({}, { clientSecretExpiresAt: Option.some(1) })
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-0")
      assert.deepStrictEqual(machine.server.requests, [])
    }))
})

describe("logins that revoke each other's tokens", () => {
  /** A server whose logins belong to the group of their client. */
  const grouped = Effect.gen(function*() {
    const lock = yield* ControlledLock.make
    const machine = yield* MemoryMachine.make({ lock: lock.service })
    const endpoint = TokenEndpoint.of({
      ...machine.server.service,
      traits: (_, credential) => ({
        rotates: true,
        margin: Option.none(),
        rotationGroup: Option.map(credential.clientId, (id) => `https://as.example ${id}`)
      })
    })
    const process = yield* MortalProcess.make({ ...machine, endpoint }, { pid: 1 })
    yield* machine.write(tenant, machine.server.issue(Scenario.EXPIRED))
    yield* TestClock.adjust("1 hour")
    return { lock, machine, process, writer: process.writer }
  })
  const unrelated = Credential.make({ clientId: Option.some("another client") })

  it.scoped("are written under the lock of their group, which is taken first", () =>
    Effect.gen(function*() {
      const { lock, machine, writer } = yield* grouped
      let times = 0
      const obtain = Effect.sync(() => {
        times++
        return machine.server.issue()
      })
      const like = machine.server.issue()
      lock.seize(GROUP)
      const writes = [
        writer.login(tenant, obtain, REPLACE),
        writer.login(tenant, obtain, { ...REPLACE, like }),
        writer.put(tenant, like, { replace: true, note: "import" }),
        writer.remove(tenant, { revoke: true })
      ]
      for (const write of writes) {
        const fiber = yield* Effect.fork(failing<unknown>(write))
        yield* untilAllWait
        assert.isAbove(yield* Queue.size(lock.busy), 0, "waits for its group")
        assert.isFalse(lock.isHeld(TENANT))
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* Fiber.join(fiber), "LockTimeout")
        yield* Queue.takeAll(lock.busy)
      }
      assert.strictEqual(times, 0)
      assert.deepStrictEqual(machine.server.revocations, [])
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
    }))

  it.scoped("hold it while they are obtained, and give it back", () =>
    Effect.gen(function*() {
      const { lock, machine, writer } = yield* grouped
      const held: Array<boolean> = []
      yield* writer.login(
        tenant,
        Effect.sync(() => {
          held.push(lock.isHeld(GROUP), lock.isHeld(TENANT))
          return machine.server.issue()
        }),
        { ...REPLACE, like: machine.server.issue() }
      )
      assert.deepStrictEqual(held, [true, true])
      assert.deepStrictEqual([lock.isHeld(GROUP), lock.isHeld(TENANT)], [false, false])
    }))

  it.scoped("do not keep a login of another client waiting", () =>
    Effect.gen(function*() {
      const { lock, machine, writer } = yield* grouped
      lock.seize(GROUP)
      yield* writer.login(tenant, Effect.sync(() => machine.server.issue()), { ...REPLACE, like: unrelated })
    }))

  it.scoped("wait for each other in the order of a refresh: none waits for ever", () =>
    Effect.gen(function*() {
      const { lock, machine, process, writer } = yield* grouped
      yield* machine.write(MemoryMachine.otherTenant, machine.server.issue(Scenario.EXPIRED))
      const gate = yield* Deferred.make<void>()
      machine.server.next({ _tag: "GrantLate", gate })
      const sibling = yield* Effect.fork(process.coordinator.accessToken(MemoryMachine.otherTenant))
      yield* Queue.take(machine.server.arrivals)
      const valid = yield* Scenario.validFor(3_000)
      const all = yield* Effect.forEach(
        [
          writer.login(tenant, Effect.sync(() => machine.server.issue(valid)), REPLACE),
          process.coordinator.accessToken(tenant),
          writer.put(tenant, machine.server.issue(valid), { replace: true, note: "import" }),
          writer.remove(tenant, { revoke: true })
        ],
        (one) => Effect.fork(Effect.exit<unknown, unknown, never>(one))
      )
      yield* untilAllWait
      assert.isFalse(lock.isHeld(TENANT))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(sibling)
      yield* TestClock.adjust("10 seconds")
      for (const one of all) assert.isTrue(Option.isSome(yield* Fiber.poll(one)), "still waits")
      assert.deepStrictEqual([lock.isHeld(GROUP), lock.isHeld(TENANT)], [false, false])
      yield* process.close
    }))
})
