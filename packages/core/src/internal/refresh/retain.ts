/**
 * Holding a tenant for the sake of an answer that nothing would take.
 *
 * The answer is in the memory of this process and nowhere else, and neither journal nor answer file says that its
 * refresh token is consumed. A process that got the lock now would send that token again, which ends the login. So this
 * process keeps the lock and tries to store the answer until it is stored or the process ends. Other processes meanwhile
 * fail with `LockTimeout`, which names this one, and lose nothing.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type { CommitError } from "../../Custody.js"
import type { RefreshError } from "../../Errors.js"
import * as LogFields from "../../LogFields.js"
import type { CapturedAnswer } from "../../RefreshJournal.js"
import { raceFirst } from "../race.js"
import type { Obtained, Request, Services } from "./services.js"

const FIRST_WAIT = Duration.seconds(1)
const LONGEST_WAIT = Duration.seconds(10)

/** What a caller that asks for another try is told; `None` asks it to begin again. */
type Told = Deferred.Deferred<Option.Option<Obtained>, RefreshError>

interface Retained {
  readonly answer: CapturedAnswer
  /** What callers are told as long as it is not stored. */
  readonly exit: Exit.Exit<Obtained, RefreshError>
  /** Tries to store it, within the bounds of one persist. */
  readonly attempt: Effect.Effect<Either.Either<Option.Option<Obtained>, CommitError>, RefreshError>
}

/** Ends once the answer is stored, or is known to be needless, or the service closes. */
export const retain = (
  { closing, unpersisted }: Pick<Services, "closing" | "unpersisted">,
  { publish, tenant }: Request,
  { answer, attempt, exit }: Retained
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const callers = yield* Queue.unbounded<Told>()
    const ended = yield* Deferred.make<Option.Option<Obtained>, RefreshError>()
    unpersisted.set(tenant, {
      answer,
      retry: Option.some(Effect.flatMap(
        Deferred.make<Option.Option<Obtained>, RefreshError>(),
        (told) => Effect.zipRight(Queue.offer(callers, told), raceFirst(Deferred.await(told), Deferred.await(ended)))
      ))
    })
    yield* publish(exit)

    for (let wait = FIRST_WAIT;; wait = Duration.min(Duration.times(wait, 2), LONGEST_WAIT)) {
      const asked = yield* raceFirst(
        Effect.map(Queue.take(callers), (one) => [one]),
        raceFirst(Effect.as(Effect.sleep(wait), []), Effect.as(Deferred.await(closing), []))
      )
      const isLast = yield* Deferred.isDone(closing)
      const tried = yield* Effect.exit(attempt)
      const isOver = !(Exit.isSuccess(tried) && Either.isLeft(tried.value))
      if (isOver || isLast) unpersisted.delete(tenant)
      const told = Exit.flatMap(
        tried,
        Either.match({ onLeft: () => Exit.map(exit, Option.some), onRight: Exit.succeed })
      )
      for (const caller of [...asked, ...yield* Queue.takeAll(callers)]) yield* Deferred.done(caller, told)
      if (isOver || isLast) yield* Deferred.done(ended, told)
      if (isOver) return
      if (isLast) {
        return yield* Effect.annotateLogs(
          Effect.logError(`the new tokens of ${tenant} could not be stored anywhere, and end with this process`),
          Exit.match(exit, {
            onSuccess: () => ({ tenant }),
            onFailure: (cause) => cause._tag === "Fail" ? LogFields.ofError(tenant, cause.error) : { tenant }
          })
        )
      }
    }
  })
