/**
 * Ends the wait for a tenant at every single operation, in virtual time: the end comes, and nothing is held or lined up for
 * afterwards. `LOCKSTEP_SEED` decides how long the pauses are.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Simulation from "@lockstep/testing/Simulation"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as LeaseWait from "../src/internal/leaseWait.js"
import type * as PostgresLease from "../src/PostgresLease.js"
import type { PostgresSession } from "../src/PostgresSession.js"
import * as PostgresSignals from "../src/PostgresSignals.js"

const SEED = Number(process.env["LOCKSTEP_SEED"] ?? 20_261_201)

/** A tenant that another process holds for a while, asked over a connection that takes a millisecond and is never cut. */
const makeTenant = (heldFor: Duration.DurationInput) =>
  Effect.gen(function*() {
    let holder: string | undefined = "another"
    let epoch = 1
    let lined = 0
    const asked = <A>(answer: () => A): Effect.Effect<A> =>
      Effect.uninterruptible(Effect.map(Effect.sleep("1 millis"), answer))
    const leases: PostgresLease.Leases = {
      create: () => Effect.void,
      look: (_, { takesPlace } = { takesPlace: false }) =>
        asked(() => ({
          isKnown: true,
          mayBeTaken: holder === undefined,
          epoch: String(epoch),
          generation: 1,
          place: takesPlace && holder !== undefined && lined++ === 0
            ? Option.some({ isKept: () => true, leave: asked(() => void (lined = 0)) })
            : Option.none()
        })),
      take: () =>
        asked(() => {
          if (holder !== undefined) return Option.none()
          holder = "own"
          return Option.some({
            tenantId: "1",
            epoch: String(++epoch),
            taken: "free" as const,
            presence: "1",
            since: 0
          })
        }),
      holder: () => asked(() => Option.none())
    }
    const signals = PostgresSignals.make()
    const session = {
      location: "a database",
      signals,
      held: () => {},
      returned: (_: string, of: string) =>
        asked(() => {
          if (of === String(epoch)) holder = undefined
        })
    } satisfies Partial<PostgresSession["Type"]> as unknown as PostgresSession["Type"]
    yield* Effect.forkDaemon(Effect.delay(
      Effect.sync(() => {
        holder = undefined
        signals.heard("key", 1, true)
      }),
      heldFor
    ))
    const wait = Effect.scoped(LeaseWait.of(session, leases, {
      name: "codex",
      key: "key",
      label: "codex",
      timeout: Duration.minutes(1),
      look: Effect.succeedNone
    }))
    return { wait, holder: () => holder, lined: () => lined }
  })

describe("LeaseWait", () => {
  for (const [what, heldFor] of [["in line", "400 millis"], ["that has just come", "0 millis"]] as const) {
    it(`one ${what} is interrupted at every operation: it ends, and leaves the tenant and its place`, () => {
      let cuts = 0
      for (let wasCut = true; wasCut; cuts++) {
        wasCut = false
        const exit = Simulation.run((world) =>
          Effect.gen(function*() {
            const tenant = yield* makeTenant(heldFor)
            const waiting = yield* Effect.fork(tenant.wait)
            const disarm = world.preempt(cuts + 1, () => {
              wasCut = true
              waiting.unsafeInterruptAsFork(FiberId.none)
            }, waiting)
            yield* Effect.timeoutFailCause(Effect.disconnect(Fiber.await(waiting)), {
              duration: "2 minutes",
              onTimeout: () => Cause.die("it waits for ever")
            })
            disarm()
            yield* Effect.sleep("1 seconds")
            assert.isUndefined(tenant.holder(), "the tenant is free")
            assert.strictEqual(tenant.lined(), 0, "the line is free")
          }), { seed: SEED, limit: 100_000 })
        if (Exit.isFailure(exit)) throw new Error(`cut after ${cuts + 1} operations: ${String(exit.cause)}`)
      }
      assert.isAbove(cuts, 40)
    })
  }
})
