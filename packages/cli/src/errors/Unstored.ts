/**
 * New tokens that nothing takes: neither the store, nor the answer file, nor any other place.
 *
 * They are in the memory of this process and nowhere else, so a command that ends for a full disk would end the login.
 * It stays and tries again for as long as a process waits for a lock (`LOCKSTEP_LOCK_TIMEOUT`), and says so.
 *
 * @since 0.1.0
 */
import type { RefreshError } from "@lockstep/core/Errors"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Output from "../terminal/Output.js"

const FIRST_WAIT = Duration.millis(250)
const LONGEST_WAIT = Duration.seconds(5)

const isInMemory = (error: RefreshError): boolean => error._tag === "RotationNotPersisted" && error.kept === "Memory"

/** What may pass: a disk that is full, a table that is full, another process that is writing. */
const mayPass = (error: RefreshError): boolean =>
  isInMemory(error) || error._tag === "CredentialStoreError" || error._tag === "LockTimeout" ||
  error._tag === "LockUnavailable"

/**
 * Asks again while the new tokens are in the memory of this process alone. When the time is over, it fails as the first
 * time.
 *
 * @since 0.1.0
 * @category combinators
 */
export const heldOn = <A, R>(
  ask: Effect.Effect<A, RefreshError, R>
): Effect.Effect<A, RefreshError, R | RefreshPolicy | Output.Output> =>
  Effect.catchIf(ask, isInMemory, (first) =>
    Effect.gen(function*() {
      const { lockTimeout } = yield* RefreshPolicy
      const deadline = (yield* Clock.currentTimeNanos) + Duration.unsafeToNanos(lockTimeout)
      yield* Output.warn(
        `${first.message}; this command holds them and tries again for ${Duration.format(lockTimeout)}: make room now`
      )
      for (let wait = FIRST_WAIT;; wait = Duration.min(Duration.times(wait, 2), LONGEST_WAIT)) {
        yield* Effect.sleep(wait)
        const asked = yield* Effect.either(ask)
        if (Either.isRight(asked)) return asked.right
        if (!mayPass(asked.left)) return yield* asked.left
        if ((yield* Clock.currentTimeNanos) >= deadline) return yield* first
      }
    }))
