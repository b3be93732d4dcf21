/**
 * The refresh of one tenant: hold it, or find that another process has refreshed meanwhile; read again; decide; and at
 * most once redeem and persist.
 *
 * Sequences that break simpler designs, and where each is answered:
 *
 * - The caller that began the refresh is interrupted. The refresh runs in a fiber that the service owns; callers only
 *   wait for its result (`internal/refresh/sharing`, I5).
 * - The service closes. Before the intent is written the refresh is interrupted at once, for nothing was spent. From the
 *   intent on, redeem and persist run in a detached fiber; the refresh waits for it uninterruptibly, and so the tenant
 *   is held until it ends.
 * - The provider answers late. Callers time out their wait, never the work; the request has a bound of its own.
 * - The process dies. Before the intent nothing was sent. After it, the next holder finds the intent; after the answer
 *   was captured, it finds the answer and stores that.
 * - A program without our locks stores another token. Before the request it is sent in place of the old one, because the
 *   record is read again as the last act before the intent; after the request it stays, and ours is not written over it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Held } from "./Custody.js"
import { CredentialStoreError, type RefreshError } from "./Errors.js"
import { deadlineIn } from "./internal/deadline.js"
import * as Adopt from "./internal/refresh/adopt.js"
import * as LockedRead from "./internal/refresh/lockedRead.js"
import * as Redeem from "./internal/refresh/redeem.js"
import * as Services from "./internal/refresh/services.js"
import type { Obtained, Request } from "./internal/refresh/services.js"
import * as Trace from "./Trace.js"
import * as Verdict from "./Verdict.js"

/** A tenant that is held, until when a redemption must have ended, and whether the refresh may begin again. */
interface Turn {
  readonly held: Held
  readonly deadline: bigint
  readonly mayBeginAgain: boolean
}

/** Makes the refresh of the services that it is given. */
export const make = (services: Services.Services) => {
  const transaction = Services.make(services)
  const { custody, endpoint, fingerprintOf, policy, underWay } = transaction
  const { adopted, lookFor } = Adopt.make(transaction)
  const { readLocked } = LockedRead.make(transaction)
  const { persist, prepare, redeemAndPersist } = Redeem.make(transaction)

  const whileHeld = (request: Request, turn: Turn): Effect.Effect<Obtained, RefreshError> =>
    Effect.gen(function*() {
      const { demand, hint, tenant } = request
      const { deadline, held } = turn
      const orBeginAgain = Effect.flatMap(Option.match({
        onSome: (obtained: Obtained) => Effect.succeed(obtained),
        onNone: () => beginAgain(request, turn)
      }))

      // I2: the locked read decides; what was read before the lock is a hint.
      const evidence = yield* readLocked(request, held)
      const { next } = Verdict.of({
        evidence,
        demand,
        policy,
        expected: hint,
        since: held.since,
        fingerprint: fingerprintOf,
        traits: (credential) => endpoint.traits(tenant, credential)
      })
      switch (next._tag) {
        case "Serve":
          return yield* adopted(request, next.stored, "Locked")
        case "Store":
          return yield* orBeginAgain(persist(request, {
            answer: next.answer,
            isKept: evidence.isKept,
            journal: evidence.journal,
            redeemed: next.stored.credential,
            held,
            outcome: "recovered"
          }))
        case "Redeem": {
          const redemption = yield* prepare(request, next, {
            journal: evidence.journal,
            now: evidence.now,
            held,
            deadline
          })
          return yield* orBeginAgain(redeemAndPersist(request, redemption))
        }
        default:
          return yield* Verdict.toError(next, { tenant, location: custody.location, now: evidence.now })
      }
    })

  /** Once: a program that stores another token at every turn is a fault of its own. */
  const beginAgain = (request: Request, turn: Turn): Effect.Effect<Obtained, RefreshError> =>
    turn.mayBeginAgain
      ? whileHeld(request, { ...turn, mayBeginAgain: false })
      : new CredentialStoreError({
        reason: "Superseded",
        location: custody.location,
        detail: "another program keeps replacing this record"
      })

  const holdAndRefresh = (request: Request): Effect.Effect<Obtained, RefreshError> =>
    Effect.scoped(Effect.gen(function*() {
      const { hint, tenant } = request
      const entry = yield* underWay.enter(tenant, "refresh")
      const hold = yield* custody.hold(tenant, {
        timeout: policy.lockTimeout,
        rotationGroup: endpoint.traits(tenant, hint).rotationGroup,
        look: lookFor(request)
      })
      if (hold._tag === "Found") return hold.value
      yield* entry.held
      return yield* whileHeld({ ...request, onSend: Effect.zipRight(request.onSend, entry.spent) }, {
        held: hold.held,
        deadline: yield* deadlineIn(policy.redeemLimit),
        mayBeginAgain: true
      })
    }))

  // The tenant is released in between: the next holder may send, and its token serves this refresh, too.
  const inTime = (request: Request, retries: number): Effect.Effect<Obtained, RefreshError> =>
    Effect.catchAll(
      holdAndRefresh(request),
      (error) =>
        retries > 0 && error._tag === "ProviderUnavailable" && error.reason === "NoTime"
          ? inTime(request, retries - 1)
          : error
    )

  /** Refreshes once. Interruptible until the intent is about to be written, and again afterwards. */
  return (request: Request): Effect.Effect<Obtained, RefreshError> =>
    Trace.withSpan(inTime(request, 2), "lockstep.refresh", { root: true, attributes: { tenant: request.tenant } })
}
