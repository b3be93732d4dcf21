/**
 * Brings answers home that wait in the spool of this host: tried at once, then after half a second doubling to ten, and
 * once more when the service closes.
 *
 * An answer that was stored is looked at again when the session was lost: what took its place may be a database that lacks
 * the last commits, and then the answer is the only living one.
 *
 * @since 0.1.0
 */
import * as Metrics from "@lockstep/core/Metrics"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PostgresSession } from "./PostgresSession.js"
import { Spool } from "./Spool.js"

const FIRST = Duration.millis(500)
const LAST = Duration.seconds(10)
const AT_CLOSE = Duration.seconds(5)

/**
 * Runs for as long as the scope lives, and asks the database only while there is something to bring.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, RefreshCoordinator | PostgresSession | Spool> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const coordinator = yield* RefreshCoordinator
    const session = yield* PostgresSession
    const spool = yield* Spool
    let sessions = session.count()

    const bring = (tenant: TenantId) =>
      Effect.catchAll(
        coordinator.storeKept(tenant),
        (error) => Effect.logDebug(`an answer of ${tenant} is still in the spool: ${error.message}`)
      )

    const nothing = { unstored: [], stored: [], age: 0 }
    const look = Effect.tap(
      Effect.orElseSucceed(spool.tenants, () => nothing),
      ({ age }) => Metrics.spoolAge(age)
    )

    /** Whether something is left. */
    const round = Effect.gen(function*() {
      const { stored, unstored } = yield* look
      const now = session.count()
      const doubtful = now === sessions ? [] : stored
      sessions = now
      yield* Effect.forEach([...new Set([...unstored, ...doubtful])], bring, { discard: true })
      return unstored.length > 0 && (yield* look).unstored.length > 0
    })

    // Ends by being told, and not by an interruption: a round that has begun may be about to store an answer.
    const closing = yield* Deferred.make<void>()
    const delivering = yield* Effect.forkDaemon(Effect.gen(function*() {
      for (let wait = FIRST;;) {
        const isLeft = yield* round
        wait = isLeft ? Duration.min(Duration.times(wait, 2), LAST) : FIRST
        if (Option.isSome(yield* Effect.timeoutOption(Deferred.await(closing), wait))) return
      }
    }))
    // A finalizer cannot be interrupted, and without its being said so neither can the wait for what goes on beside it.
    const within = (last: Effect.Effect<unknown>) =>
      Effect.timeoutOption(Effect.interruptible(Effect.disconnect(last)), AT_CLOSE)
    yield* Effect.addFinalizer(() =>
      Deferred.succeed(closing, undefined).pipe(
        Effect.zipRight(within(Fiber.await(delivering))),
        Effect.zipRight(within(round))
      )
    )
  })
)
