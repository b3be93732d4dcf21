import { assert, it } from "@effect/vitest"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as MortalProcess from "@lockstep/testing/MortalProcess"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

const tenant = TenantId.make("codex")

// What the agent says to its user.
const agent = Effect.gen(function*() {
  const coordinator = yield* RefreshCoordinator.RefreshCoordinator
  const { token } = yield* coordinator.accessToken(tenant)
  return Redacted.value(token)
}).pipe(
  Effect.catchTag("ReauthorizationRequired", ({ reason }) => Effect.succeed(`please log in (${reason})`)),
  Effect.catchTag("ProviderUnavailable", ({ retryAfter }) => Effect.succeed(`again in ${retryAfter} ms`))
)

const expired = Effect.gen(function*() {
  const machine = yield* MemoryMachine.make()
  yield* machine.write(tenant, machine.server.issue({ expiresAt: Option.some(3_600) }))
  yield* TestClock.adjust("1 hour")
  return machine
})

it.effect("a server that asks for patience is not asked again before its time", () =>
  Effect.gen(function*() {
    const machine = yield* expired
    machine.server.next({
      _tag: "Answer",
      answer: RedeemAnswer.RateLimited({ retryAfter: Option.some(7_000), detail: "HTTP 429" })
    })
    assert.strictEqual(yield* Effect.provide(agent, machine.layer), "again in 7000 ms")
    assert.strictEqual(yield* Effect.provide(agent, machine.layer), "again in 7000 ms")
    assert.lengthOf(machine.server.requests, 1)
  }))

it.effect("an answer that is lost is asked for once more, and then the person is", () =>
  Effect.gen(function*() {
    const machine = yield* expired
    machine.server.next({ _tag: "ConsumeAndLose" })
    const waiting = yield* Effect.fork(Effect.provide(agent, machine.layer))
    yield* Queue.take(machine.server.arrivals)
    yield* TestClock.adjust("3 seconds") // the one retry comes after the quiet time
    assert.strictEqual(yield* Fiber.join(waiting), "please log in (OutcomeUnknown)")
    assert.lengthOf(machine.server.requests, 2)
  }))

it.effect("a process that is killed with the answer in its hands costs nothing", () =>
  Effect.gen(function*() {
    const machine = yield* expired
    const ports = {
      store: machine.store,
      lock: machine.lock,
      journal: machine.journal,
      endpoint: machine.server.service
    }
    // kill -9, between the answer that is kept and the record that is stored.
    const first = yield* MortalProcess.make(ports, {
      pid: 1,
      dies: ({ call, when }) => call === "store.modify" && when === "before"
    })
    yield* Effect.fork(Effect.provideService(agent, RefreshCoordinator.RefreshCoordinator, first.coordinator))
    yield* Queue.take(machine.server.arrivals)
    yield* TestClock.adjust("1 second")
    assert.isTrue(first.isDead())
    assert.strictEqual(yield* Effect.provide(agent, machine.layer), "lockstep-at-1")
    assert.lengthOf(machine.server.redemptions, 1)
  }))
