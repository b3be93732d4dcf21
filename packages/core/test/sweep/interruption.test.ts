/** Ends the loop of a sweep at every single operation, in virtual time: it ends, whatever it was at. */
import { assert, describe, it } from "@effect/vitest"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as DueTimes from "@lockstep/core/DueTimes"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Sweep from "@lockstep/core/Sweep"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Supervisor from "effect/Supervisor"

const SEED = Number(process.env["LOCKSTEP_SEED"] ?? 20_261_201)

/** A sweep with a refresh that does not end, so that each of its pauses waits for that as well; its loop, and when it runs. */
const sweeping = Effect.gen(function*() {
  const machine = yield* MemoryMachine.make()
  yield* machine.write(MemoryMachine.tenant, machine.server.issue(yield* Scenario.validFor(10)))
  const asked = yield* Deferred.make<void>()
  const fibers = yield* Supervisor.track
  yield* Sweep.start({ keep: Sweep.everything }).pipe(
    Effect.supervised(fibers),
    Effect.provideService(CredentialStore, machine.store),
    Effect.provideServiceEffect(
      DueTimes.DueTimes,
      Effect.provideService(DueTimes.makeMemory, CredentialStore, machine.store)
    ),
    Effect.provideService(IssuerBudget.IssuerBudget, IssuerBudget.makeMemory(() => IssuerBudget.defaults)),
    Effect.provideService(RefreshCoordinator, {
      ...yield* machine.process,
      accessToken: () => Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never)
    })
  )
  const [loop] = yield* fibers.value
  if (loop === undefined) return yield* Effect.dieMessage("the sweep has no loop")
  yield* Deferred.await(asked)
  return loop
})

describe("a sweep", () => {
  it("is interrupted at every operation of its loop, and ends", () => {
    let cuts = 0
    for (let wasCut = true; wasCut; cuts++) {
      wasCut = false
      const exit = Simulation.run((world) =>
        Effect.scoped(Effect.gen(function*() {
          const loop = yield* sweeping
          const disarm = world.preempt(cuts + 1, () => {
            wasCut = true
            loop.unsafeInterruptAsFork(FiberId.none)
          }, loop)
          // Longer than its longest pause: every operation of a whole turn is among those at which it is cut.
          yield* Effect.sleep("40 seconds")
          disarm()
          loop.unsafeInterruptAsFork(FiberId.none)
          yield* Effect.timeoutFailCause(Effect.disconnect(Fiber.await(loop)), {
            duration: "2 minutes",
            onTimeout: () => Cause.die("it waits for ever")
          })
        })), { seed: SEED, limit: 100_000 })
      if (Exit.isFailure(exit)) throw new Error(`cut after ${cuts + 1} operations: ${String(exit.cause)}`)
    }
    assert.isAbove(cuts, 40)
  })
})
