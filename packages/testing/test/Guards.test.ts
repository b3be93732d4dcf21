/** The example can fail: with a lock that excludes no process, fifty fibers end the login. */
import { assert, describe, it } from "@effect/vitest"
import { CredentialLock, type Lease } from "@lockstep/core/CredentialLock"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { readdirSync, readFileSync } from "node:fs"

const tenant = TenantId.make("codex")

const open = CredentialLock.of({
  plan: () => [],
  tryAcquire: () => Effect.succeedSome<Lease>({ lost: Effect.succeedNone, release: () => Effect.void }),
  holder: () => Effect.succeedNone,
  listen: () => () => {},
  backoff: { min: 1_000, max: 1_000 }
})

const race = (options: MemoryMachine.Options) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make(options)
    yield* machine.write(tenant, machine.server.issue({ expiresAt: Option.some(3_600) }))
    yield* TestClock.adjust("1 hour")
    const agent = Effect.exit(Effect.flatMap(RefreshCoordinator.RefreshCoordinator, (one) => one.accessToken(tenant)))
    yield* Effect.fork(
      Effect.all(Array.from({ length: 5 }, () => Effect.provide(agent, machine.layer)), { concurrency: 5 })
    )
    yield* TestClock.adjust("1 minute")
    return machine.server
  })

describe("five processes on a machine", () => {
  it.effect("redeem once with its lock, and send one token twice without", () =>
    Effect.gen(function*() {
      const locked = yield* race({})
      assert.deepStrictEqual([locked.requests.length, locked.reuses.length], [1, 0])
      const unlocked = yield* race({ lock: open })
      assert.isAbove(unlocked.requests.length, 1)
      assert.isAbove(unlocked.reuses.length, 0)
    }))

  it.effect("are as many as the layer is provided times, and one where one is shared", () =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make()
      const own = Effect.provide(RefreshCoordinator.RefreshCoordinator, machine.layer)
      assert.notStrictEqual(yield* own, yield* own)
      yield* Effect.provide(
        Effect.gen(function*() {
          assert.strictEqual(yield* RefreshCoordinator.RefreshCoordinator, yield* RefreshCoordinator.RefreshCoordinator)
        }),
        machine.layer
      )
    }))
})

describe("docs/testing.md", () => {
  it("shows the very tests that run here", () => {
    const text = readFileSync(new URL("../../../docs/testing.md", import.meta.url), "utf8")
    const shown = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!)
    const here = readdirSync(new URL(".", import.meta.url))
      .filter((name) => ["FiftyFibers.test.ts", "Faults.test.ts"].includes(name))
      .map((name) => readFileSync(new URL(name, import.meta.url), "utf8"))
    assert.sameMembers(shown, here)
  })
})
