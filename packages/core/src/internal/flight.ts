/**
 * The one running refresh of a tenant inside this process: take the lock or find what makes it needless, read again,
 * decide, and at most once redeem and persist.
 *
 * Tricky sequences, and the answer to each:
 *
 * - The caller that started the flight is interrupted. The flight runs in a fiber of its own, with the service's
 *   context; callers only wait for its result (I5).
 * - The service closes. Before the intent is written the flight is interrupted at once, for nothing was spent. From the
 *   intent on, redeem and persist run in a second, detached fiber that nobody holds; the flight waits for it
 *   uninterruptibly, and with it the lock.
 * - The provider answers late. Callers time out their wait, never the work; the request has a bound of its own.
 * - The process dies. Before the intent nothing was sent. After it, the next holder finds the intent; after the answer
 *   was captured, it finds the answer and stores that.
 * - Somebody without our locks writes the record meanwhile. The answer is written only over the refresh token that was
 *   redeemed; anything else stays, and ours is revoked.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Stored } from "../Credential.js"
import * as Credential from "../Credential.js"
import { LockTarget } from "../CredentialLock.js"
import { CredentialStoreError, type RefreshError } from "../Errors.js"
import * as Host from "../Host.js"
import * as LockWait from "../LockWait.js"
import * as Metrics from "../Metrics.js"
import type { CapturedAnswer } from "../RefreshJournal.js"
import { deadlineIn } from "./deadline.js"
import * as Decision from "./decision.js"
import { detached } from "./detached.js"
import * as Homecoming from "./homecoming.js"
import * as Ledger from "./ledger.js"
import * as Redemption from "./redemption.js"
import * as Transaction from "./transaction.js"
import type { Landed, Plan } from "./transaction.js"
import * as Wanted from "./wanted.js"

export const make = (services: Transaction.Services) => {
  const transaction = Transaction.make(services)
  const { dropAnswer, endpoint, fingerprintOf, host, journal, lock, policy, revoke, store, unpersisted } = transaction
  const { bringHome } = Homecoming.make(transaction)
  const { spend } = Redemption.make(transaction, bringHome)

  /** A flight that only finds what it set out with adopts nothing. */
  const adopted = (plan: Plan, { credential }: Stored, how: "Locked" | "Waiting"): Effect.Effect<unknown> =>
    Effect.unless(
      Metrics.adopted(plan.tenant, how),
      () => Credential.isSameSecret(plan.hint.accessToken, credential.accessToken)
    )

  const underLock = (plan: Plan, context: {
    readonly held: LockWait.HeldLock
    readonly acquiredAt: number
    readonly deadline: bigint
    readonly mayBeginAgain: boolean
  }): Effect.Effect<Landed, RefreshError> =>
    Effect.gen(function*() {
      const { tenant } = plan
      const orAgain = Effect.flatMap(Option.match({
        onSome: (landed: Landed) => Effect.succeed(landed),
        onNone: (): Effect.Effect<Landed, RefreshError> =>
          context.mayBeginAgain
            ? underLock(plan, { ...context, mayBeginAgain: false })
            : new CredentialStoreError({
              reason: "Superseded",
              location: store.location,
              detail: "another program keeps replacing this record"
            })
      }))
      const { inFile, read, stored } = yield* Effect.all({
        stored: store.get(tenant),
        read: journal.read(tenant),
        inFile: journal.keptAnswer(tenant)
      }).pipe(Effect.withSpan("lockstep.refresh.reread"))
      const now = yield* Clock.currentTimeMillis
      const record = Option.match(stored, {
        onNone: () => read,
        onSome: ({ credential }) => Ledger.absorb(read, credential, fingerprintOf(credential), now)
      })
      const present = Option.flatMap(stored, ({ credential }) => fingerprintOf(credential))
      const belongs = (answer: CapturedAnswer): boolean => Option.contains(present, answer.fingerprint)
      const inMemory = Option.fromNullable(unpersisted.get(tenant))
      const kept = Option.firstSomeOf([Option.filter(inFile, belongs), Option.filter(inMemory, belongs)])
      // An answer about any other refresh token is nobody's any more, and it holds one.
      if (Option.exists(inFile, (answer) => !belongs(answer))) yield* dropAnswer(tenant)
      if (Option.exists(inMemory, (answer) => !belongs(answer))) {
        unpersisted.delete(tenant)
        // Unless it came home by another way: revoking what a later login descends from would end that login.
        const to = Option.map(
          Option.flatMap(inMemory, (answer) => answer.grant.refreshToken),
          (token) => Host.fingerprint(host, token)
        )
        if (Option.exists(to, (one) => !Option.contains(present, one) && !Ledger.isRetired(record, one))) {
          yield* revoke(tenant, plan.hint, Option.getOrThrow(inMemory))
        }
      }
      const decision = Decision.decide({
        tenant,
        location: store.location,
        stored,
        journal: record,
        kept,
        fingerprint: fingerprintOf,
        traits: (credential) => endpoint.traits(tenant, credential),
        policy,
        wanted: plan.wanted,
        hint: plan.hint,
        now,
        acquiredAt: context.acquiredAt
      })
      switch (decision._tag) {
        case "Stop":
          return yield* decision.error
        case "Adopt":
          yield* adopted(plan, decision.stored, "Locked")
          return { stored: decision.stored, by: "adopted", rotated: false } as Landed
        case "Recover":
          return yield* orAgain(
            detached(bringHome(plan, {
              answer: decision.answer,
              record,
              redeemed: decision.stored.credential,
              held: context.held,
              outcome: "recovered"
            }))
          )
        case "Redeem":
          return yield* orAgain(spend(plan, decision, { record, held: context.held, deadline: context.deadline }))
      }
    })

  /** Adopts without the lock: one write by the winner serves every waiter at once. */
  const look = (plan: Plan): Effect.Effect<Option.Option<Landed>, CredentialStoreError> =>
    Effect.gen(function*() {
      const stored = Option.getOrUndefined(
        // What cannot be read now is judged by the read under the lock (I2).
        yield* Effect.orElseSucceed(store.get(plan.tenant), () => Option.none<Stored>())
      )
      if (stored === undefined) return Option.none()
      const { credential } = stored
      if (Credential.isOtherAccount(plan.hint, credential)) {
        return yield* Decision.superseded(
          store.location,
          Option.getOrElse(Credential.accountId(plan.hint), () => "?"),
          Option.getOrElse(Credential.accountId(credential), () => "?")
        )
      }
      const now = yield* Clock.currentTimeMillis
      const margin = Wanted.margin(plan.wanted, endpoint.traits(plan.tenant, credential), policy)
      if (!Wanted.isMetBy(plan.wanted, credential, { now, margin })) return Option.none()
      const landed: Landed = { stored, by: "adopted", rotated: false }
      // Before this wait is wound up: every caller of the process has been waiting for nothing else.
      yield* plan.publish(landed)
      yield* adopted(plan, stored, "Waiting")
      return Option.some(landed)
    })

  const waitFor = (
    plan: Plan,
    target: LockTarget,
    label: string
  ): Effect.Effect<LockWait.Waited<Landed>, RefreshError, Scope.Scope> =>
    LockWait.acquireOr(lock, target, {
      timeout: policy.lockTimeout,
      label,
      look: look(plan),
      hints: store.changes
    }).pipe(Effect.withSpan("lockstep.refresh.lock"))

  /** Flies once. Interruptible until the intent is about to be written, and again afterwards. */
  const fly = (plan: Plan): Effect.Effect<Landed, RefreshError> =>
    Effect.gen(function*() {
      const { rotationGroup } = endpoint.traits(plan.tenant, plan.hint)
      if (Option.isSome(rotationGroup)) {
        const waited = yield* waitFor(plan, LockTarget.RotationGroup({ group: rotationGroup.value }), plan.tenant)
        if (waited._tag === "Found") return waited.value
      }
      const waited = yield* waitFor(plan, LockTarget.Tenant({ tenant: plan.tenant }), plan.tenant)
      if (waited._tag === "Found") return waited.value
      const acquiredAt = yield* Clock.currentTimeMillis
      const deadline = yield* deadlineIn(policy.redeemLimit)
      return yield* underLock(plan, { held: waited.lock, acquiredAt, deadline, mayBeginAgain: true })
    }).pipe(
      Effect.scoped,
      // With the lock given back in between: whoever has it next may send, and that token serves this flight, too.
      Effect.retry({ times: 2, while: (error) => error._tag === "ProviderUnavailable" && error.reason === "NoTime" }),
      Effect.withSpan("lockstep.refresh", { root: true, attributes: { tenant: plan.tenant } })
    )

  return { fly }
}
