/**
 * The flights of this process: at most one per tenant, owned by the service and by no caller.
 *
 * Work that is shared through the first caller's fiber dies with the first caller, and with it everybody's result. So a
 * flight runs in a root fiber of its own; callers only wait for what it will say, and may stop waiting at any time.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import { ProviderTimeout, type RefreshError } from "../Errors.js"
import * as Metrics from "../Metrics.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { TenantId } from "../TenantId.js"
import { raceFirst } from "./race.js"
import type { Landed, Plan } from "./transaction.js"

export interface Flight {
  readonly landed: Deferred.Deferred<Landed, RefreshError>
  readonly sent: Deferred.Deferred<void>
}

export interface Options {
  readonly policy: RefreshPolicy["Type"]
  /** Told once per flight, before any caller sees the result. */
  readonly onLanded: (tenant: TenantId, landed: Landed) => Effect.Effect<void>
  readonly onFailed: (tenant: TenantId, error: RefreshError) => Effect.Effect<void>
}

/** Fibers that belong to the service: interrupted together, and waited for. */
export const makeOwner = (runtime: Runtime.Runtime<never>) => {
  const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  const lingering = new Set<Fiber.RuntimeFiber<void>>()
  let closed = false
  return {
    /** Runs an effect, unless the service is closed, and tells how it ended, also when it was ended before it began. */
    run: <A, E>(effect: Effect.Effect<A, E>, onEnd: (exit: Exit.Exit<A, E>) => void): void => {
      if (closed) return onEnd(Exit.interrupt(FiberId.none))
      const fiber = Runtime.runFork(runtime)(effect)
      fibers.add(fiber)
      fiber.addObserver((exit) => {
        fibers.delete(fiber)
        onEnd(exit)
      })
    },
    /** Runs what is bounded and never cut off, also while the service closes. */
    linger: (effect: Effect.Effect<void>): void => {
      const fiber = Runtime.runFork(runtime)(effect)
      lingering.add(fiber)
      fiber.addObserver(() => void lingering.delete(fiber))
    },
    /** What waits for itself uninterruptibly is waited for, and what lingers; everything else ends at once. */
    close: Effect.suspend(() => {
      closed = true
      return Fiber.interruptAll([...fibers])
    }).pipe(Effect.zipRight(Effect.suspend(() => Fiber.awaitAll([...lingering]))), Effect.asVoid)
  }
}

export const make = (
  owner: ReturnType<typeof makeOwner>,
  fly: (plan: Plan) => Effect.Effect<Landed, RefreshError>,
  options: Options
) => {
  const running = new Map<TenantId, Flight>()

  const start = (tenant: TenantId, plan: Pick<Plan, "wanted" | "hint">): Flight => {
    const flight: Flight = {
      landed: Deferred.unsafeMake(FiberId.none),
      sent: Deferred.unsafeMake(FiberId.none)
    }
    const leave = (): void => {
      if (running.get(tenant) === flight) running.delete(tenant)
    }
    // A flight that has landed is joined by nobody: whoever comes while it still settles wants something else than what
    // it brought home.
    const publish = (landed: Landed): Effect.Effect<void> =>
      Effect.whenEffect(
        Effect.zipRight(
          options.onLanded(tenant, landed),
          Effect.suspend(() => {
            leave()
            return Deferred.succeed(flight.landed, landed)
          })
        ),
        Effect.negate(Deferred.isDone(flight.landed))
      )
    // Announced and started in one synchronous step: an interruption between the two would leave a flight that
    // everybody finds and nobody flies. Its end is observed from outside, because a fiber that is interrupted in its
    // first steps runs none of its own finalizers.
    running.set(tenant, flight)
    Metrics.unsafeFlights(1)
    owner.run(
      fly({ ...plan, tenant, sent: flight.sent, publish }).pipe(
        Effect.tap(publish),
        Effect.tapError((error) => options.onFailed(tenant, error))
      ),
      (exit) => {
        leave()
        Metrics.unsafeFlights(-1)
        Deferred.unsafeDone(flight.landed, exit)
      }
    )
    return flight
  }

  return {
    /** Joins the tenant's flight or starts it; `own` tells whose terms it flies on. */
    join: (
      tenant: TenantId,
      plan: Pick<Plan, "wanted" | "hint">
    ): { readonly flight: Flight; readonly own: boolean } => {
      const flight = running.get(tenant)
      return flight === undefined ? { flight: start(tenant, plan), own: true } : { flight, own: false }
    },

    /**
     * Waits for a flight, interruptibly, and the flight goes on whatever becomes of the caller. Nobody waits for the
     * provider for longer than `providerTimeout`.
     */
    await: (tenant: TenantId, flight: Flight): Effect.Effect<Landed, RefreshError> => {
      const { providerTimeout } = options.policy
      return raceFirst(
        Deferred.await(flight.landed),
        Effect.zipRight(
          Deferred.await(flight.sent),
          Effect.delay(
            Effect.suspend(() =>
              new ProviderTimeout({ tenant, reason: "StillRunning", waited: Duration.toMillis(providerTimeout) })
            ),
            providerTimeout
          )
        )
      )
    }
  }
}
