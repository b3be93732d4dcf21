/**
 * Writing what was paid for: a full disk or a busy lock of the store may pass, and a token that was just issued is known
 * to no other process.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { CommitError } from "../../Custody.js"
import { CredentialStoreError } from "../../Errors.js"
import type { RefreshPolicy } from "../../RefreshPolicy.js"
import { deadlineIn, remaining } from "../deadline.js"

/** Milliseconds before a failed write is tried again; doubles. */
const FIRST_RETRY = 50

/**
 * Tries again for as long as `persistRetry`, counted from the first try. The last try begins when that has passed, so
 * that no legal hold is longer than the policy says.
 *
 * A write that is reported as failed may have arrived all the same (a rename whose sync failed): it must know its own.
 */
export const persistently = <A, E>(
  write: Effect.Effect<A, CommitError | E>,
  { location, policy }: { readonly policy: RefreshPolicy["Type"]; readonly location: string }
): Effect.Effect<A, CommitError | E> => {
  const attempt = (deadline: bigint, delay: number): Effect.Effect<A, CommitError | E> =>
    write.pipe(
      // A defect of a store is a failure to write like any other: what was issued is still at stake.
      Effect.catchAllDefect(() =>
        new CredentialStoreError({ reason: "Write", location, detail: "unexpected failure" })
      ),
      Effect.catchAll((error) =>
        Effect.flatMap(remaining(deadline), (left) =>
          left <= 0
            ? Effect.fail(error)
            : Effect.zipRight(Effect.sleep(Duration.millis(Math.min(delay, left))), attempt(deadline, delay * 2)))
      )
    )
  return Effect.flatMap(deadlineIn(policy.persistRetry), (deadline) => attempt(deadline, FIRST_RETRY))
}
