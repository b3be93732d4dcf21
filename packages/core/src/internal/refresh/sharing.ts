/**
 * The refreshes of this process: at most one per tenant, owned by the service and by no caller.
 *
 * Work that is shared through the first caller's fiber dies with the first caller, and with it the result of every other.
 * So a refresh runs in a root fiber of its own; callers only wait for its result, and may stop waiting at any time.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import { ProviderTimeout, type RefreshError } from "../../Errors.js"
import * as Metrics from "../../Metrics.js"
import type { RefreshPolicy } from "../../RefreshPolicy.js"
import type { TenantId } from "../../TenantId.js"
import type { Obtained, Request } from "./services.js"

/** A refresh that runs, and the callers that wait for it: plain callbacks, for each of them pays for its own wait only. */
interface Running {
  readonly tenant: TenantId
  readonly callers: Set<Caller>
  isSent: boolean
  result: Exit.Exit<Obtained, RefreshError> | undefined
}

interface Caller {
  readonly onSent: () => void
  readonly onResult: (result: Exit.Exit<Obtained, RefreshError>) => void
}

const finish = (one: Running, result: Exit.Exit<Obtained, RefreshError>): void => {
  if (one.result !== undefined) return
  one.result = result
  for (const caller of one.callers) caller.onResult(result)
}

/**
 * Waits for the result of a refresh for as long as the provider may take. Bounds the wait and not the work: the request
 * goes on under the lock until its own limit, so that a late answer is persisted and not lost.
 */
const awaitWithin = (
  { providerTimeout }: Pick<RefreshPolicy["Type"], "providerTimeout">,
  one: Running
): Effect.Effect<Obtained, RefreshError> =>
  Effect.flatMap(Effect.runtime<never>(), (runtime) =>
    Effect.async((resume) => {
      if (one.result !== undefined) return resume(one.result)
      let patience: Fiber.RuntimeFiber<void> | undefined
      const leave = (): void => {
        one.callers.delete(caller)
        patience?.unsafeInterruptAsFork(FiberId.none)
      }
      const caller: Caller = {
        onSent: () => {
          patience = Runtime.runFork(runtime)(Effect.sleep(providerTimeout))
          patience.addObserver((exit) => {
            if (!Exit.isSuccess(exit)) return
            leave()
            resume(
              new ProviderTimeout({
                tenant: one.tenant,
                reason: "StillRunning",
                waited: Duration.toMillis(providerTimeout)
              })
            )
          })
        },
        onResult: (result) => {
          leave()
          resume(result)
        }
      }
      one.callers.add(caller)
      if (one.isSent) caller.onSent()
      return Effect.sync(leave)
    }))

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
    const one: Running = { tenant, callers: new Set(), isSent: false, result: undefined }
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
      Effect.suspend(() =>
        one.result !== undefined ? Effect.void : Effect.map(told(exit), () => {
          leave()
          finish(one, exit)
        })
      )
    const onSend = Effect.sync(() => {
      if (one.isSent) return
      one.isSent = true
      for (const caller of one.callers) caller.onSent()
    })
    // Announced and started in one synchronous step: an interruption between the two would leave a refresh that every
    // caller finds and that no fiber runs. Its end is observed from outside, because a fiber that is interrupted in its
    // first steps runs none of its own finalizers.
    running.set(tenant, one)
    Metrics.unsafeFlights(1)
    owner.run(
      refresh({ ...request, tenant, onSend, publish }).pipe(
        Effect.tapBoth({
          onSuccess: (obtained) => publish(Exit.succeed(obtained)),
          onFailure: (error) => publish(Exit.fail(error))
        })
      ),
      (exit) => {
        leave()
        Metrics.unsafeFlights(-1)
        finish(one, exit)
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
