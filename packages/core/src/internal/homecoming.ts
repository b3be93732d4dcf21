/**
 * Bringing a captured answer home. It is written over the refresh token that was redeemed and over nothing else; what
 * somebody else stored meanwhile stays, and ours is revoked.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Stored } from "../Credential.js"
import * as Credential from "../Credential.js"
import { Change } from "../CredentialStore.js"
import { ReauthorizationRequired, type RefreshError, RotationNotPersisted } from "../Errors.js"
import * as Host from "../Host.js"
import type * as LockWait from "../LockWait.js"
import * as LogFields from "../LogFields.js"
import * as Metrics from "../Metrics.js"
import type { CapturedAnswer, JournalRecord } from "../RefreshJournal.js"
import type { TenantId } from "../TenantId.js"
import * as Decision from "./decision.js"
import * as Ledger from "./ledger.js"
import { merge } from "./merge.js"
import { type NotPersisted, persist } from "./persistence.js"
import type { Landed, Plan, Transaction } from "./transaction.js"
import * as Wanted from "./wanted.js"

/** How a persist ended. All but `Written` leave the store as it was. */
type Persisted = Data.TaggedEnum<{
  Written: { readonly stored: Stored }
  Theirs: { readonly stored: Stored }
  OtherAccount: { readonly stored: Stored }
  Gone: {}
}>
const Persisted = Data.taggedEnum<Persisted>()

interface Persisting {
  readonly answer: CapturedAnswer
  /** The record that was redeemed. */
  readonly redeemed: Credential.Credential
  /** The last generation that the journal knows. */
  readonly floor: number
}

export interface Homecoming {
  readonly answer: CapturedAnswer
  readonly record: JournalRecord
  readonly redeemed: Credential.Credential
  readonly held: LockWait.HeldLock
  readonly outcome: string
  readonly took?: number
}

export const make = (transaction: Transaction) => {
  const { dropAnswer, fingerprintOf, host, journal, policy, revoke, store, unpersisted, writeBestEffort } = transaction

  /** Writes the answer over the refresh token that was redeemed, and over nothing else. */
  const persistOnce = (
    tenant: TenantId,
    { answer, floor, redeemed }: Persisting
  ): Effect.Effect<Persisted, NotPersisted> =>
    store.modify<Persisted>(tenant, (current) => {
      if (Option.isNone(current)) return Change.Keep({ value: Persisted.Gone() })
      const { credential } = current.value
      // A write that was reported as failed may have arrived all the same (a rename whose sync failed). What it wrote is
      // ours: taken for somebody else's, it would be revoked.
      if (
        Option.contains(credential.lastRedeem, answer.attempt) ||
        (Option.isSome(answer.grant.refreshToken) &&
          !Option.contains(fingerprintOf(credential), answer.fingerprint) &&
          Credential.isSameSecret(credential.refreshToken, answer.grant.refreshToken))
      ) {
        return Change.Keep({ value: Persisted.Written({ stored: current.value }) })
      }
      if (Option.contains(fingerprintOf(credential), answer.fingerprint)) {
        const generation = Math.max(credential.generation, floor) + 1
        return Change.Put({
          credential: merge(credential, answer, generation),
          value: (stored) => Persisted.Written({ stored })
        })
      }
      const theirs = { stored: current.value }
      // Few answers name an account: ours is the one whose token was redeemed.
      return Change.Keep({
        value: Credential.isOtherAccount(merge(redeemed, answer, 0), credential)
          ? Persisted.OtherAccount(theirs)
          : Persisted.Theirs(theirs)
      })
    })

  /**
   * Brings a captured answer home: persist, publish by returning it, settle, remove the answer file, in this order. The
   * other order would let a crash forget what only the answer file still holds. `None` asks to begin again at the
   * re-read: the answer is settled, and what is stored now may not be served.
   */
  const bringHome = (
    plan: Plan,
    options: Homecoming
  ): Effect.Effect<Option.Option<Landed>, RefreshError> =>
    Effect.gen(function*() {
      const { tenant, wanted } = plan
      const { answer, held, record, redeemed } = options
      const write = persistOnce(tenant, { answer, redeemed, floor: record.generation })
      const persisted = yield* Effect.either(Effect.withSpan(persist(write, transaction), "lockstep.refresh.persist"))
      const now = yield* Clock.currentTimeMillis
      const to = Option.map(answer.grant.refreshToken, (token) => Host.fingerprint(host, token))
      const rotated = Option.exists(to, (one) => one !== answer.fingerprint)

      if (Either.isLeft(persisted)) {
        const kept = Option.isSome(
          Option.filter(
            yield* Effect.orElseSucceed(journal.keptAnswer(tenant), () => Option.none<CapturedAnswer>()),
            (one) => one.attempt === answer.attempt
          )
        )
        if (!kept) unpersisted.set(tenant, answer)
        yield* writeBestEffort(
          tenant,
          Ledger.note(record, host.self, {
            at: now,
            outcome: "RotationNotPersisted",
            detail: persisted.left._tag,
            from: answer.fingerprint
          })
        )
        const failure = new RotationNotPersisted({
          tenant,
          location: store.location,
          kept: kept ? "AnswerFile" : "Memory",
          detail: persisted.left.message
        })
        if (!policy.serveUnpersisted) return yield* failure
        yield* Effect.annotateLogs(Effect.logWarning(failure.message), LogFields.ofError(tenant, failure))
        const stored: Stored = {
          credential: merge(redeemed, answer, redeemed.generation),
          version: Credential.Version(`unpersisted:${answer.attempt}`)
        }
        return Option.some<Landed>({ stored, by: "redeemed", rotated })
      }

      // What was answered just now serves every caller, however short it lives. What was answered long ago may have run
      // out since, and so may a record that somebody else stored.
      const landedWith = (landed: Landed): Option.Option<Landed> =>
        (landed.by === "redeemed" && options.outcome === "granted") ||
          Wanted.mayServe(wanted, landed.stored.credential, now)
          ? Option.some(landed)
          : Option.none()
      const settle = (generation: number, outcome: string, detail?: string) => {
        const cleared = Ledger.update(Ledger.clear(record, generation), { lastRedeem: Option.some(answer.attempt) })
        const counted = wanted.cause === "rejected" ? Ledger.countRejection(cleared, now) : cleared
        return Effect.zipRight(
          writeBestEffort(
            tenant,
            Ledger.note(rotated ? Ledger.retire(counted, answer.fingerprint, generation, now) : counted, host.self, {
              at: now,
              outcome,
              detail,
              from: answer.fingerprint,
              to: Option.getOrUndefined(to),
              took: options.took
            })
          ),
          Effect.suspend(() => {
            unpersisted.delete(tenant)
            return dropAnswer(tenant)
          })
        ).pipe(Effect.withSpan("lockstep.refresh.settle"))
      }

      switch (persisted.right._tag) {
        case "Written": {
          yield* held.wrote
          if (options.outcome === "recovered") yield* Metrics.recovered(tenant)
          const landed = landedWith({ stored: persisted.right.stored, by: "redeemed", rotated })
          if (Option.isSome(landed)) yield* plan.publish(landed.value)
          yield* settle(persisted.right.stored.credential.generation, options.outcome)
          return landed
        }
        case "Theirs":
          yield* settle(persisted.right.stored.credential.generation, "replaced", "another login was stored meanwhile")
          yield* revoke(tenant, redeemed, answer)
          yield* Metrics.adopted(tenant, "Replaced")
          return landedWith({ stored: persisted.right.stored, by: "adopted", rotated: false })
        case "OtherAccount":
          yield* settle(
            persisted.right.stored.credential.generation,
            "replaced",
            "another account was stored meanwhile"
          )
          yield* revoke(tenant, redeemed, answer)
          return yield* Decision.superseded(
            store.location,
            Option.getOrElse(Credential.accountId(redeemed), () => "?"),
            Option.getOrElse(Credential.accountId(persisted.right.stored.credential), () => "?")
          )
        case "Gone":
          yield* settle(record.generation, "removed", "logged out meanwhile")
          yield* revoke(tenant, redeemed, answer)
          return yield* new ReauthorizationRequired({ tenant, reason: "Removed" })
      }
    })

  return { bringHome }
}
