import { assert, describe, it } from "@effect/vitest"
import { CredentialStoreError, LockTimeout } from "@lockstep/core/Errors"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"

const { tenant, valueOf } = MemoryMachine
const { failing, processOn, untilAllWait } = Scenario

/** Ports that fail for as long as their switch is on, and the times of every try to write the store. */
const broken = () => {
  const tries: Array<number> = []
  const fails = { store: false, answer: false, journal: false }
  const error = new CredentialStoreError({ reason: "Write", location: "memory", detail: "ENOSPC" })
  const failWhen = (part: keyof typeof fails) => Effect.suspend(() => fails[part] ? error : Effect.void)
  const options: MemoryMachine.Options = {
    store: {
      modify: () =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          tries.push(now)
          return failWhen("store")
        })
    },
    journal: {
      keep: () => failWhen("answer"),
      write: (record) =>
        Option.exists(record.intent, (intent) => intent.state === "sending") ? Effect.void : failWhen("journal")
    }
  }
  return { fails, tries, options }
}

/** Lets a call that cannot store its answer come to its end. */
const within = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("3 seconds")
    return yield* Fiber.join(fiber)
  })

describe("an answer that could not be stored", () => {
  it.scoped("is tried for two seconds, kept in its file, and not served", () =>
    Effect.gen(function*() {
      const { fails, options, tries } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      fails.store = true
      tries.length = 0
      const error = yield* within(Effect.flip((yield* processOn(machine)).accessToken(tenant)))
      assert.strictEqual(error._tag, "RotationNotPersisted")
      assert.propertyVal(error, "kept", "AnswerFile")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-0")
      assert.strictEqual(tries.at(-1)! - tries[0]!, 2_000)
      assert.isAbove(tries.length, 3)
    }))

  it.scoped("because the lock of the store stays busy says so, and is tried no longer than that", () =>
    Effect.gen(function*() {
      const tries: Array<number> = []
      let isBusy = false
      const machine = yield* Scenario.expiredLogin({
        store: {
          // The adapter's own wait for the aggregate lock is longer than all of persistRetry.
          modify: () =>
            Effect.suspend(() =>
              isBusy
                ? Clock.currentTimeMillis.pipe(
                  Effect.tap((now) => Effect.sync(() => tries.push(now))),
                  Effect.zipRight(Effect.sleep("5 seconds")),
                  Effect.zipRight(new LockTimeout({ lock: "auth.json", waited: 5_000, holder: Option.none() }))
                )
                : Effect.void
            )
        }
      })
      isBusy = true
      const caller = yield* Effect.fork(Effect.flip((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(caller)
      assert.strictEqual(error._tag, "RotationNotPersisted")
      assert.include(error.message, "auth.json")
      assert.strictEqual(tries.length, 1)
    }))

  it.scoped("is stored by another process, which redeems nothing", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      fails.store = true
      const coordinator = yield* processOn(machine)
      yield* within(failing(coordinator.accessToken(tenant)))
      fails.store = false
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      assert.isTrue(Option.isNone(yield* machine.journal.keptAnswer(tenant)))
      assert.isTrue(Option.isNone((yield* machine.journal.read(tenant)).intent))
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("takes the present token from no caller while that is valid", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.agingLogin(options)
      fails.store = true
      const coordinator = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* within(coordinator.accessToken(tenant))), "lockstep-at-0")
      assert.strictEqual(valueOf(yield* within(coordinator.accessToken(tenant))), "lockstep-at-0")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("is not served when it was stored too late, but its refresh token is used", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      fails.store = true
      yield* within(failing((yield* processOn(machine)).accessToken(tenant)))
      yield* TestClock.adjust("2 hours")
      fails.store = false
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-1"])
      assert.deepStrictEqual(machine.server.reuses, [])
    }))

  it.scoped("is served all the same where the policy says so, also to later callers", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin({ ...options, policy: { serveUnpersisted: true } })
      fails.store = true
      const coordinator = yield* processOn(machine)
      assert.strictEqual(valueOf(yield* within(coordinator.accessToken(tenant))), "lockstep-at-1")
      assert.strictEqual(valueOf(yield* within(coordinator.accessToken(tenant))), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("outlives a process that served it and ended meanwhile", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin({ ...options, policy: { serveUnpersisted: true } })
      fails.store = true
      const scope = yield* Scope.make()
      const coordinator = yield* Scope.extend(machine.process, scope)
      yield* Effect.fork(coordinator.accessToken(tenant))
      yield* Queue.take(machine.server.arrivals)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closing)
      fails.store = false
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))
})

/** A process whose memory alone has an answer that left the refresh token as it was. No other process can know of it. */
const unrotatedInMemory = Effect.gen(function*() {
  const { fails, options } = broken()
  const machine = yield* Scenario.expiredLogin(options)
  fails.store = true
  fails.answer = true
  machine.server.next({ _tag: "KeepRefreshToken" })
  const first = yield* processOn(machine)
  yield* within(failing(first.accessToken(tenant)))
  return { fails, first, machine }
})

describe("an answer that no file would take", () => {
  const inMemoryOnly = (options?: { readonly journal: boolean }) =>
    Effect.gen(function*() {
      const ports = broken()
      const machine = yield* Scenario.expiredLogin(ports.options)
      Object.assign(ports.fails, { store: true, answer: true, journal: options?.journal ?? false })
      const scope = yield* Scope.make()
      const coordinator = yield* Scope.extend(machine.process, scope)
      const error = yield* within(Effect.flip(coordinator.accessToken(tenant)))
      assert.propertyVal(error, "kept", "Memory")
      return { ...ports, machine, scope, coordinator }
    })

  it.scoped("is stored by the next call of this process", () =>
    Effect.gen(function*() {
      const { coordinator, fails, machine, scope } = yield* inMemoryOnly()
      fails.store = false
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      yield* Scope.close(scope, Exit.void)
    }))

  it.scoped("is stored when this process ends", () =>
    Effect.gen(function*() {
      const { fails, machine, scope } = yield* inMemoryOnly()
      fails.store = false
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
    }))

  it.scoped("is known to other processes as lost, and they do not send the consumed token again", () =>
    Effect.gen(function*() {
      const { fails, machine, scope } = yield* inMemoryOnly()
      fails.store = false
      const other = yield* processOn(machine)
      assert.strictEqual(yield* failing(other.accessToken(tenant)), "ReauthorizationRequired(RotationLost)")
      assert.strictEqual(
        yield* failing(other.refresh(tenant, { acceptRisk: true })),
        "ReauthorizationRequired(RotationLost)"
      )
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(valueOf(yield* other.accessToken(tenant)), "lockstep-at-1")
    }))

  it.scoped("that left the refresh token as it was loses nothing with its process", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      machine.server.next({ _tag: "KeepRefreshToken" })
      fails.store = true
      yield* within(failing((yield* processOn(machine)).accessToken(tenant)))
      fails.store = false
      assert.strictEqual(valueOf(yield* (yield* processOn(machine)).accessToken(tenant)), "lockstep-at-2")
    }))

  it.scoped("is stored by the next call of this process also when the refresh token stayed as it was", () =>
    Effect.gen(function*() {
      const { fails, options } = broken()
      const machine = yield* Scenario.expiredLogin(options)
      machine.server.next({ _tag: "KeepRefreshToken" })
      fails.store = true
      const coordinator = yield* processOn(machine)
      yield* within(failing(coordinator.accessToken(tenant)))
      fails.store = false
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-1")
      assert.strictEqual(machine.server.requests.length, 1)
    }))

  it.scoped("does not hide that a refresh token which it left as it was has been sent since, and perhaps exchanged", () =>
    Effect.gen(function*() {
      const { fails, first, machine } = yield* unrotatedInMemory
      // The request and the one retry of another process get no answer.
      machine.server.next({ _tag: "ConsumeAndLose" })
      machine.server.next({ _tag: "ConsumeAndLose" })
      const second = yield* processOn(machine)
      yield* within(failing(second.accessToken(tenant)))
      yield* within(failing(second.accessToken(tenant)))
      fails.store = false
      fails.answer = false
      assert.strictEqual(valueOf(yield* first.accessToken(tenant)), "lockstep-at-1")

      yield* TestClock.adjust("2 hours")
      const error = yield* Effect.flip((yield* processOn(machine)).accessToken(tenant))
      assert.propertyVal(error, "reason", "OutcomeUnknown")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-0", "lockstep-rt-0"])
    }))

  it.scoped("does not hide that a refresh token which it left as it was has been refused since", () =>
    Effect.gen(function*() {
      const { fails, first, machine } = yield* unrotatedInMemory
      machine.server.next({
        _tag: "Answer",
        answer: RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
      })
      yield* within(failing((yield* processOn(machine)).accessToken(tenant)))
      fails.store = false
      fails.answer = false
      yield* Effect.exit(first.accessToken(tenant))

      yield* TestClock.adjust("2 hours")
      const error = yield* Effect.flip((yield* processOn(machine)).accessToken(tenant))
      assert.propertyVal(error, "reason", "InvalidGrant")
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0", "lockstep-rt-0"])
    }))

  it.scoped("is given up once another login has taken its place, and that one is neither refreshed nor put at risk for it", () =>
    Effect.gen(function*() {
      const { coordinator, fails, machine, scope } = yield* inMemoryOnly()
      fails.store = false
      const theirs = machine.server.issue(yield* Scenario.validFor(3_600))
      yield* machine.write(tenant, theirs)
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-2")
      assert.strictEqual(valueOf(yield* coordinator.accessToken(tenant)), "lockstep-at-2")
      yield* untilAllWait
      assert.deepStrictEqual(machine.server.requests, ["lockstep-rt-0"])
      assert.deepStrictEqual(machine.server.revocations, [])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-2")
    }))
})
