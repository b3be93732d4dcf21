/**
 * Writing what was paid for: a full disk or a busy aggregate lock may pass, and a token that was just issued is known to
 * nobody else.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CredentialStore } from "../CredentialStore.js"
import { CredentialStoreError, type LockTimeout, type LockUnavailable } from "../Errors.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import { deadlineIn, remaining } from "./deadline.js"

/** What a write of a store fails with. */
export type NotPersisted = CredentialStoreError | LockTimeout | LockUnavailable

/** Milliseconds before a failed write is tried again; doubles. */
const FIRST_RETRY = 50

/**
 * Tries again for as long as `persistRetry`, counted from the first try. The last try begins when that has passed, so
 * that no legal hold is longer than the policy says.
 *
 * A write that is reported as failed may have arrived all the same (a rename whose sync failed): it must know its own.
 */
export const persist = <A>(
  write: Effect.Effect<A, NotPersisted>,
  { policy, store }: { readonly policy: RefreshPolicy["Type"]; readonly store: CredentialStore["Type"] }
): Effect.Effect<A, NotPersisted> => {
  const attempt = (deadline: bigint, delay: number): Effect.Effect<A, NotPersisted> =>
    write.pipe(
      // A defect of a store is a failure to write like any other: what was issued is still at stake.
      Effect.catchAllDefect(() =>
        new CredentialStoreError({ reason: "Write", location: store.location, detail: "unexpected failure" })
      ),
      Effect.catchAll((error) =>
        Effect.flatMap(remaining(deadline), (left) =>
          left <= 0
            ? error
            : Effect.zipRight(Effect.sleep(Duration.millis(Math.min(delay, left))), attempt(deadline, delay * 2)))
      )
    )
  return Effect.flatMap(deadlineIn(policy.persistRetry), (deadline) => attempt(deadline, FIRST_RETRY))
}
