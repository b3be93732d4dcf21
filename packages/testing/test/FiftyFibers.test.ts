import { assert, it } from "@effect/vitest"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

const tenant = TenantId.make("codex")

// The agent under test: it asks for a token and knows nothing of the others.
const agent = Effect.gen(function*() {
  const coordinator = yield* RefreshCoordinator.RefreshCoordinator
  const { token } = yield* coordinator.accessToken(tenant)
  return Redacted.value(token)
})

it.effect("fifty fibers, one expired token, one redemption", () =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    yield* machine.write(tenant, machine.server.issue({ expiresAt: Option.some(3_600) }))
    yield* TestClock.adjust("1 hour")

    // Ten fibers in each of five processes: every `provide` of the layer is another process.
    const process = Effect.provide(
      Effect.all(Array.from({ length: 10 }, () => agent), { concurrency: 10 }),
      machine.layer
    )
    const tokens = yield* Effect.all(Array.from({ length: 5 }, () => process), { concurrency: 5 })

    assert.lengthOf(machine.server.redemptions, 1)
    assert.lengthOf(machine.server.reuses, 0)
    assert.strictEqual(new Set(tokens.flat()).size, 1)
  }))
