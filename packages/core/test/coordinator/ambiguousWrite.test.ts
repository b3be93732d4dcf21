import { assert, it } from "@effect/vitest"
import { CredentialStoreError } from "@lockstep/core/Errors"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { forgetful } from "./forgetful.js"

const { tenant, valueOf } = MemoryMachine

const arriving = (store: WritableStore["Type"]): WritableStore["Type"] => {
  let failures = 0
  return WritableStore.of({
    ...store,
    modify: (one, decide) =>
      Effect.flatMap(store.modify(one, decide), (value) =>
        failures++ === 0
          ? new CredentialStoreError({ reason: "Write", location: "memory", detail: "EIO" })
          : Effect.succeed(value))
  })
}

it.scoped.each(
  [
    ["a store of ours", arriving],
    // Nothing in the record tells whose it is, but for its tokens.
    ["another tool's file", (store: WritableStore["Type"]) => forgetful(arriving(store))]
  ] as const
)(
  "in %s a write that arrived although it was reported as failed is our own and not revoked",
  ([, wrapStore]) =>
    Effect.gen(function*() {
      const machine = yield* MemoryMachine.make({ wrapStore })
      yield* machine.write(tenant, machine.server.issue({ expiresAt: Option.some(1), obtainedAt: Option.some(0.5) }))
      yield* TestClock.adjust("10 seconds")
      const coordinator = yield* machine.process
      const caller = yield* Effect.fork(coordinator.accessToken(tenant))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(valueOf(yield* Fiber.join(caller)), "lockstep-at-1")
      assert.strictEqual(yield* machine.refreshToken(tenant), "lockstep-rt-1")
      assert.deepStrictEqual(machine.server.revocations, [])
    })
)
