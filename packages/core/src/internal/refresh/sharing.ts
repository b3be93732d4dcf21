/**
 * The refreshes of this process: at most one per tenant, owned by the service and by no caller.
 *
 * Work that is shared through the first caller's fiber dies with the first caller, and with it the result of every other.
 * So a refresh runs in a root fiber of its own; callers only wait for its result, and may stop waiting at any time.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type { RefreshError } from "../../Errors.js"
import * as Metrics from "../../Metrics.js"
import { awaitWithin } from "../../Refresh.js"
import type { RefreshPolicy } from "../../RefreshPolicy.js"
import type { TenantId } from "../../TenantId.js"
import type { Obtained, Request } from "./services.js"

/** A refresh that runs, and what its callers wait for. */
interface Running {
  readonly tenant: TenantId
  readonly result: Deferred.Deferred<Obtained, RefreshError>
  readonly sent: Deferred.Deferred<void>
}

export interface Options {
  readonly policy: RefreshPolicy["Type"]
  /** Told once per refresh, before any caller sees the result. */
  readonly onObtained: (tenant: TenantId, obtained: Obtained) => Effect.Effect<void>
  readonly onFailed: (tenant: TenantId, error: RefreshError) => Effect.Effect<void>
}

/** Fibers that belong to the service: interrupted together, and waited for. */
export const makeOwner = (runtime: Runtime.Runtime<never>) => {
  const fibers = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  const lingering = new Set<Fiber.RuntimeFiber<void>>()
  const closing = Deferred.unsafeMake<void>(FiberId.none)
  let closed = false
  return {
    closing,
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
      return Effect.zipRight(Deferred.succeed(closing, undefined), Fiber.interruptAll([...fibers]))
    }).pipe(Effect.zipRight(Effect.suspend(() => Fiber.awaitAll([...lingering]))), Effect.asVoid)
  }
}

export const make = (
  owner: ReturnType<typeof makeOwner>,
  refresh: (request: Request) => Effect.Effect<Obtained, RefreshError>,
  options: Options
) => {
  const running = new Map<TenantId, Running>()

  const start = (tenant: TenantId, request: Pick<Request, "demand" | "hint">): Running => {
    const one: Running = {
      tenant,
      result: Deferred.unsafeMake(FiberId.none),
      sent: Deferred.unsafeMake(FiberId.none)
    }
    const leave = (): void => {
      if (running.get(tenant) === one) running.delete(tenant)
    }
    const told = Exit.match({
      onSuccess: (obtained: Obtained) => options.onObtained(tenant, obtained),
      onFailure: (cause: Cause.Cause<RefreshError>) =>
        cause._tag === "Fail" ? options.onFailed(tenant, cause.error) : Effect.void
    })
    // A refresh that has a result is joined by no further caller: one that comes while it still settles wants something
    // else than what it obtained.
    const publish = (exit: Exit.Exit<Obtained, RefreshError>): Effect.Effect<void> =>
      Effect.whenEffect(
        Effect.zipRight(
          told(exit),
          Effect.suspend(() => {
            leave()
            return Deferred.done(one.result, exit)
          })
        ),
        Effect.negate(Deferred.isDone(one.result))
      )
    // Announced and started in one synchronous step: an interruption between the two would leave a refresh that every
    // caller finds and that no fiber runs. Its end is observed from outside, because a fiber that is interrupted in its
    // first steps runs none of its own finalizers.
    running.set(tenant, one)
    Metrics.unsafeFlights(1)
    owner.run(
      refresh({ ...request, tenant, onSend: Deferred.succeed(one.sent, undefined), publish }).pipe(
        Effect.tapBoth({
          onSuccess: (obtained) => publish(Exit.succeed(obtained)),
          onFailure: (error) => publish(Exit.fail(error))
        })
      ),
      (exit) => {
        leave()
        Metrics.unsafeFlights(-1)
        Deferred.unsafeDone(one.result, exit)
      }
    )
    return one
  }

  return {
    /**
     * Joins the tenant's refresh or starts it; `own` tells whether it runs on the caller's demand. Its result is waited
     * for interruptibly, and the refresh goes on whatever becomes of the caller.
     */
    join: (
      tenant: TenantId,
      request: Pick<Request, "demand" | "hint">
    ): { readonly result: Effect.Effect<Obtained, RefreshError>; readonly own: boolean } => {
      const present = running.get(tenant)
      const one = present ?? start(tenant, request)
      return { result: awaitWithin(options.policy, one), own: present === undefined }
    }
  }
}
