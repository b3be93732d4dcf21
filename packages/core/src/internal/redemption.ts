/**
 * Spending a refresh token: everything that can fail comes first, then the intent, then the one request, and then
 * whatever came of it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { Stored } from "../Credential.js"
import * as Credential from "../Credential.js"
import {
  ProviderRejected,
  ProviderTimeout,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError
} from "../Errors.js"
import * as Freshness from "../Freshness.js"
import * as Host from "../Host.js"
import type * as LockWait from "../LockWait.js"
import * as Metrics from "../Metrics.js"
import { CapturedAnswer, Intent, type JournalRecord } from "../RefreshJournal.js"
import type { TenantId } from "../TenantId.js"
import { type PreparedRedemption, RedeemAnswer } from "../TokenEndpoint.js"
import { remaining } from "./deadline.js"
import type * as Decision from "./decision.js"
import { detached } from "./detached.js"
import type { Homecoming } from "./homecoming.js"
import * as Ledger from "./ledger.js"
import type { Landed, Plan, Transaction } from "./transaction.js"

/** The answer file must hold the coming record and what servers like to add. */
const ROOM_TO_SPARE = 16 * 1024

const encodeCredential = Schema.encodeSync(Credential.Credential)
const roomFor = (credential: Credential.Credential): number =>
  JSON.stringify(encodeCredential(credential)).length + ROOM_TO_SPARE

const seconds = (millis: number): number => Math.floor(millis / 1_000)

/** A redemption that landed settled its answer or keeps it, and so may one that died. */
const holdsNoAnswer = (exit: Exit.Exit<Option.Option<Landed>, RefreshError>): boolean =>
  Exit.match(exit, {
    onSuccess: Option.isNone,
    onFailure: (cause) => Option.exists(Cause.failureOption(cause), (error) => error._tag !== "RotationNotPersisted")
  })

interface Job {
  readonly stored: Stored
  readonly fingerprint: string
  readonly rotates: boolean
  readonly previous: Option.Option<Intent>
  readonly record: JournalRecord
  readonly prepared: PreparedRedemption
  readonly held: LockWait.HeldLock
  /** Nanoseconds on the monotonic clock. */
  readonly deadline: bigint
}

export const make = (
  transaction: Transaction,
  bringHome: (plan: Plan, homecoming: Homecoming) => Effect.Effect<Option.Option<Landed>, RefreshError>
) => {
  const { dropAnswer, endpoint, fingerprintOf, host, journal, policy, store, unpersisted, writeBestEffort } =
    transaction

  /**
   * Milliseconds that a server must be left to answer in, or nothing is sent: a request that is cut early is an unknown
   * outcome, which costs more than a wait. A starved machine can spend most of a hold before it gets to send.
   */
  const timeToAnswer = Math.min(Duration.toMillis(policy.providerTimeout), Duration.toMillis(policy.redeemLimit) * 0.75)

  /**
   * Sends the refresh token and deals with whatever comes of it. Runs detached from the intent on. `None` asks to begin
   * again at the re-read: the answer was about a token that is not the stored one any more.
   */
  const redeem = (plan: Plan, job: Job): Effect.Effect<Option.Option<Landed>, RefreshError> =>
    Effect.gen(function*() {
      const { tenant } = plan
      const { fingerprint, record } = job
      const { credential } = job.stored
      const intent = Intent.make({
        attempt: yield* host.newId,
        version: job.stored.version,
        fingerprint,
        state: "sending",
        sends: Option.match(job.previous, { onNone: () => 1, onSome: (one) => one.sends + 1 }),
        ambiguous: Option.exists(job.previous, (one) => one.ambiguous),
        at: yield* Clock.currentTimeMillis,
        endedAt: Option.none(),
        by: host.self
      })
      // I7. The last act before the request: whoever holds the lock next must know that the token may be consumed.
      if (job.rotates) {
        yield* Effect.withSpan(
          journal.write(tenant, Ledger.update(record, { intent: Option.some(intent) })),
          "lockstep.refresh.intent"
        )
      }
      yield* Deferred.succeed(plan.sent, undefined)

      const began = yield* Clock.currentTimeNanos
      const budget = Math.max(0, yield* remaining(job.deadline))
      const answer = yield* job.prepared.redeem.pipe(
        Effect.catchAllDefect(() =>
          Effect.succeed(RedeemAnswer.Unknown({ detail: "the request failed in this process" }))
        ),
        Effect.disconnect,
        Effect.timeoutTo({
          duration: Duration.millis(budget),
          onSuccess: (one): RedeemAnswer => one,
          onTimeout: () => RedeemAnswer.Unknown({ detail: "no answer within the limit of a redemption" })
        }),
        Effect.withSpan("lockstep.refresh.redeem")
      )
      const took = Number((yield* Clock.currentTimeNanos) - began) / 1_000_000
      const now = yield* Clock.currentTimeMillis
      const jitter = yield* Random.nextRange(0.5, 1)
      // Nothing stands between the intent and the request, and nothing between the answer and its capture.
      const counted = Effect.zipRight(
        Option.exists(job.previous, (one) => one.sends > 0) ? Metrics.retried(tenant) : Effect.void,
        Metrics.redeemed(tenant, answer._tag, took)
      )
      if (answer._tag !== "Granted") yield* counted

      const restored = Ledger.update(record, { intent: job.previous })
      const noted = (journalRecord: JournalRecord, outcome: string, detail: string) =>
        writeBestEffort(
          tenant,
          Ledger.note(journalRecord, host.self, { at: now, outcome, detail, from: fingerprint, took }),
          Metrics.cooled(tenant, record, journalRecord)
        )
      const cooled = (journalRecord: JournalRecord, retryAfter: Option.Option<number>) =>
        Ledger.cool(journalRecord, now, { retryAfter, jitter })
      const waitOf = (journalRecord: JournalRecord) =>
        Option.match(journalRecord.cooldown, { onNone: () => 0, onSome: (one) => one.until - now })

      switch (answer._tag) {
        case "Granted": {
          const captured = CapturedAnswer.make({
            attempt: intent.attempt,
            fingerprint,
            obtainedAt: seconds(now),
            grant: answer.grant
          })
          const rotated = Option.exists(
            answer.grant.refreshToken,
            (token) => Host.fingerprint(host, token) !== fingerprint
          )
          // An answer that leaves the refresh token as it is proves that it lives: nothing of it is unknown any more.
          const answered = Ledger.update(record, {
            intent: rotated ? Option.some(Intent.make({ ...intent, state: "consumed" })) : Option.none()
          })
          if (rotated) {
            // From here on a crash loses nothing. If it cannot be kept, persisting is all the more urgent.
            const kept = yield* journal.keepAnswer(tenant, captured).pipe(
              Effect.withSpan("lockstep.refresh.capture"),
              Effect.either
            )
            if (Either.isLeft(kept)) unpersisted.set(tenant, captured)
            if (job.rotates) {
              yield* Effect.withSpan(writeBestEffort(tenant, answered), "lockstep.refresh.consumed")
            }
          }
          yield* counted
          return yield* bringHome(plan, {
            answer: captured,
            record: job.rotates ? answered : record,
            redeemed: credential,
            held: job.held,
            outcome: "granted",
            took
          })
        }

        case "Terminal": {
          const current = yield* Effect.tapError(
            store.get(tenant),
            // Answered all the same: it is no unknown outcome, and the next flight asks again.
            () => noted(restored, answer.reason, "the record could not be read again")
          )
          if (!Option.exists(current, (one) => Option.contains(fingerprintOf(one.credential), fingerprint))) {
            yield* noted(restored, answer.reason, "the record was replaced meanwhile")
            return Option.none()
          }
          if (Option.exists(job.previous, (one) => one.sends > 0)) {
            // The first request consumed it, as far as anyone can tell: the refusal explains nothing else.
            yield* noted(
              Ledger.update(record, { intent: Option.some(Intent.make({ ...intent, endedAt: Option.some(now) })) }),
              "OutcomeUnknown",
              answer.detail
            )
            return yield* new ReauthorizationRequired({ tenant, reason: "OutcomeUnknown", detail: answer.detail })
          }
          const rejected = plan.wanted.cause === "rejected" &&
            Credential.isSameSecret(plan.wanted.notToken, credential.accessToken)
          const alive = Option.filter(
            credential.expiresAt,
            () => !rejected && Freshness.isUnexpired(Credential.lifetime(credential), now)
          )
          yield* Option.match(alive, {
            onSome: (expiresAt) =>
              noted(
                Ledger.rest(restored, fingerprint, expiresAt * 1_000, now),
                answer.reason,
                `refused while the access token was valid; resting until it expires: ${answer.detail}`
              ),
            onNone: () =>
              noted(Ledger.mark(restored, fingerprint, answer.reason, answer.detail, now), answer.reason, answer.detail)
          })
          return yield* new ReauthorizationRequired({ tenant, reason: answer.reason, detail: answer.detail })
        }

        case "Rejected": {
          yield* noted(cooled(restored, Option.none()), answer.reason, answer.detail)
          return yield* new ProviderRejected({ tenant, reason: answer.reason, detail: answer.detail })
        }

        case "RateLimited": {
          const waiting = cooled(restored, answer.retryAfter)
          yield* noted(waiting, "RateLimited", answer.detail)
          return yield* new ProviderUnavailable({
            tenant,
            reason: "RateLimited",
            retryAfter: waitOf(waiting),
            detail: answer.detail
          })
        }

        case "ServerError": {
          // It proves nothing: the intent stays, ambiguous, and spends no retry, so that an outage is not a logout.
          const ambiguous = Intent.make({
            ...intent,
            sends: intent.sends - 1,
            ambiguous: true,
            endedAt: Option.some(now)
          })
          const waiting = cooled(
            job.rotates ? Ledger.update(record, { intent: Option.some(ambiguous) }) : record,
            answer.retryAfter
          )
          yield* noted(waiting, "ServerError", answer.detail)
          return yield* new ProviderUnavailable({
            tenant,
            reason: "ServerError",
            retryAfter: waitOf(waiting),
            detail: answer.detail
          })
        }

        case "NeverSent": {
          const waiting = Ledger.coolNeverSent(restored, now)
          yield* noted(waiting, "NeverSent", answer.detail)
          return yield* new ProviderUnavailable({
            tenant,
            reason: "Transport",
            retryAfter: waitOf(waiting),
            detail: answer.detail
          })
        }

        case "Unknown": {
          yield* Metrics.unknown(tenant)
          const noAnswer = new ProviderTimeout({ tenant, reason: "NoAnswer", waited: took })
          if (!job.rotates) {
            yield* noted(cooled(record, Option.none()), "Unknown", answer.detail)
            return yield* noAnswer
          }
          const ended = Intent.make({ ...intent, endedAt: Option.some(now) })
          const open = Ledger.note(Ledger.update(record, { intent: Option.some(ended) }), host.self, {
            at: now,
            outcome: "Unknown",
            detail: answer.detail,
            from: fingerprint,
            took
          })
          yield* writeBestEffort(tenant, open)
          if (intent.sends > 1) return yield* new ReauthorizationRequired({ tenant, reason: "OutcomeUnknown" })

          // The one retry is best made while a provider's grace may last, and never before the first request can have
          // arrived: after quietTime, and only if the server is then left its time to answer.
          const left = (yield* remaining(job.deadline)) - Duration.toMillis(policy.quietTime)
          if (left < timeToAnswer) return yield* noAnswer
          yield* Effect.sleep(policy.quietTime)
          return yield* redeem(plan, { ...job, record: open, previous: Option.some(ended) })
        }
      }
    })

  /** Everything that can fail without spending the refresh token comes before it is spent. */
  const prepare = Effect.fn("lockstep.refresh.prepare")(function*(
    plan: Plan,
    credential: Credential.Credential,
    record: JournalRecord
  ) {
    const { tenant } = plan
    const prepared = yield* endpoint.prepare(tenant, credential).pipe(
      Effect.timeoutFail({
        duration: policy.providerTimeout,
        onTimeout: () =>
          new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 1_000, detail: "discovery took too long" })
      }),
      Effect.tapError((error) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const waiting = Ledger.coolNeverSent(record, now)
          return writeBestEffort(
            tenant,
            Ledger.note(waiting, host.self, { at: now, outcome: error.reason, detail: error.detail }),
            Metrics.cooled(tenant, record, waiting)
          )
        })
      )
    )
    yield* store.prepare(tenant)
    return prepared
  })

  /** Makes room for the answer, and waits until an earlier request can no longer arrive. Gives the room back. */
  const makeRoom = (tenant: TenantId, credential: Credential.Credential, options: {
    readonly rotates: boolean
    readonly notBefore: Option.Option<number>
    readonly deadline: bigint
  }) =>
    Effect.gen(function*() {
      if (options.rotates) {
        yield* Effect.withSpan(journal.reserveAnswer(tenant, roomFor(credential)), "lockstep.refresh.reserve")
      }
      if (Option.isSome(options.notBefore)) {
        const now = yield* Clock.currentTimeMillis
        yield* Effect.sleep(Duration.millis(Math.max(0, options.notBefore.value - now)))
      }
      // Sent now, the request would be cut before it can be answered, and its outcome would be unknown.
      if ((yield* remaining(options.deadline)) < timeToAnswer) {
        return yield* new ProviderUnavailable({ tenant, reason: "NoTime", retryAfter: 1_000 })
      }
    }).pipe(Effect.onError(() => dropAnswer(tenant)))

  const spend = Effect.fn(function*(
    plan: Plan,
    decision: Data.TaggedEnum.Value<Decision.Decision, "Redeem">,
    context: { readonly record: JournalRecord; readonly held: LockWait.HeldLock; readonly deadline: bigint }
  ) {
    const { tenant } = plan
    const { credential } = decision.stored
    const { rotates } = endpoint.traits(tenant, credential)
    const prepared = yield* prepare(plan, credential, context.record)
    const redeemed = redeem(plan, {
      stored: decision.stored,
      fingerprint: decision.fingerprint,
      rotates,
      previous: decision.previous,
      record: context.record,
      prepared,
      held: context.held,
      deadline: context.deadline
    }).pipe(
      // In here, where no interruption hides how it ended: the room is given back, unless it may hold an answer.
      Effect.onExit((exit) => holdsNoAnswer(exit) ? dropAnswer(tenant) : Effect.void)
    )
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.zipRight(
        restore(makeRoom(tenant, credential, { rotates, notBefore: decision.notBefore, deadline: context.deadline })),
        detached(redeemed)
      )
    )
  })

  return { spend }
}
