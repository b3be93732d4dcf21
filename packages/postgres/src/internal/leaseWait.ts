/**
 * The wait for a tenant that another process holds.
 *
 * What is stored or released is told to all that wait. A holder that dies says nothing, so one of those that wait has to look: the
 * first in line does, and often, because the next holder goes on as late as it looks. All others look seldom, and each time
 * whether the first place is free by now, because the first in line may die as well.
 */
import { LockTimeout, type LockUnavailable } from "@lockstep/core/Errors"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { toLockUnavailable } from "../PostgresFailure.js"
import type * as PostgresLease from "../PostgresLease.js"
import type { PostgresSession } from "../PostgresSession.js"
import type { Key } from "../PostgresSignals.js"

/** Milliseconds between two looks of the first in line, and of all others, where no word cuts them short. */
const FIRST = 25
const OTHERS = 150

/**
 * A pause is so many times as long as the look before it took, up to so many milliseconds: a server that is busy is left to
 * those that work.
 */
const FIRST_SHARE = 2
const OTHERS_SHARE = 10
const BUSY = 2_000

/** How long to pause after a look, at most; half of it at least. All in milliseconds. */
const pauseAfter = (took: number, isFirst: boolean, isNew: boolean): number =>
  isFirst || isNew
    ? Math.max(FIRST, Math.min(took * FIRST_SHARE, BUSY))
    : Math.max(OTHERS, Math.min(took * OTHERS_SHARE, BUSY))

interface Options<A, E> {
  readonly name: string
  readonly key: Key
  readonly label: string
  readonly timeout: Duration.Duration
  /** Looks whether what is wanted is stored already. */
  readonly look: Effect.Effect<Option.Option<A>, E>
}

/**
 * Waits for a row of leases. To take and to promise to give back are one. Who gives up is not kept by a server that does not
 * answer: what it gets all the same is given back.
 */
export const of = <A, E>(
  session: PostgresSession["Type"],
  leases: PostgresLease.Leases,
  { key, label, look, name, timeout }: Options<A, E>
): Effect.Effect<Either.Either<A, PostgresLease.Lease>, E | LockTimeout | LockUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const toError = toLockUnavailable(session.location)
    const giveBack = ({ epoch, tenantId }: PostgresLease.Lease) => session.returned(tenantId, epoch, key)
    const take: Effect.Effect<
      Option.Option<PostgresLease.Lease>,
      LockUnavailable,
      Scope.Scope
    > = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const trying = yield* Effect.forkDaemon(leases.take(name))
        const late = Effect.ignore(Effect.flatMap(Effect.flatten(Fiber.join(trying)), giveBack))
        const lease = yield* restore(Fiber.join(trying)).pipe(
          Effect.mapError(toError),
          Effect.onInterrupt(() => Effect.forkDaemon(late))
        )
        if (Option.isSome(lease)) {
          session.held(lease.value.tenantId, lease.value.epoch)
          yield* Effect.addFinalizer(() => giveBack(lease.value))
        }
        return lease
      })
    )

    let place = Option.none<PostgresLease.Place>()
    let isOver = false
    // No process waits for that: a place that is lost with its session costs the others one look.
    const leave = Effect.suspend(() =>
      Option.match(place, { onNone: () => Effect.void, onSome: ({ leave }) => Effect.asVoid(Effect.forkDaemon(leave)) })
    )
    /** Who gives up is not kept by it, and what it gets all the same it leaves. */
    const askForPlace = Effect.disconnect(Effect.uninterruptible(Effect.tap(
      leases.look(name, { takesPlace: true }),
      (seen) =>
        Effect.suspend(() => {
          if (Option.isSome(seen.place)) place = seen.place
          return isOver ? leave : Effect.void
        })
    )))
    const isFirst = () => Option.exists(place, ({ isKept }) => isKept())
    const lookAt = (isNew: boolean) => Effect.mapError(isNew || isFirst() ? leases.look(name) : askForPlace, toError)

    const waiting = Effect.gen(function*() {
      const woken = yield* session.signals.wakeups(key)
      const began = yield* Clock.currentTimeMillis
      let deadline = began + Duration.toMillis(timeout)
      let mayRestart = true
      let epoch: string | undefined
      let generation: number | undefined
      for (let isNew = true;; isNew = false) {
        const asked = performance.now()
        const seen = yield* lookAt(isNew)
        const took = performance.now() - asked
        // What is looked for is in the record: while that is as it was, there is nothing new to see.
        if (seen.mayBeTaken || generation === undefined || generation !== seen.generation) {
          const found = yield* look
          if (Option.isSome(found)) return Either.right(found.value)
        }
        generation = seen.generation
        if (!seen.isKnown) yield* Effect.mapError(leases.create(name), toError)
        if (seen.mayBeTaken) {
          const lease = yield* take
          if (Option.isSome(lease)) return Either.left(lease.value)
        }
        epoch ??= seen.epoch
        const now = yield* Clock.currentTimeMillis
        if (now >= deadline) {
          if (!mayRestart || epoch === seen.epoch) {
            return yield* new LockTimeout({
              lock: label,
              waited: now - began,
              holder: yield* Effect.orElseSucceed(leases.holder(name), Option.none)
            })
          }
          mayRestart = false
          deadline = now + Duration.toMillis(timeout)
          epoch = seen.epoch
        }
        const longest = pauseAfter(took, isFirst(), isNew)
        const jittered = yield* Random.nextRange(longest / 2, longest)
        yield* Effect.timeoutOption(Queue.take(woken), Duration.millis(Math.min(jittered, deadline - now)))
      }
    })

    return yield* Effect.ensuring(
      waiting,
      Effect.suspend(() => {
        isOver = true
        return leave
      })
    )
  })
