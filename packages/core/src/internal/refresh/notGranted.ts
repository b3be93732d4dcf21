/**
 * What an answer that grants nothing means for the login, and what the next holder of the tenant must know of it.
 *
 * What proves that the token was not consumed puts the journal back to what it was before the request, an earlier unknown
 * outcome included, which must not be forgotten. What proves nothing leaves the intent.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Credential from "../../Credential.js"
import {
  ProviderRejected,
  ProviderTimeout,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError
} from "../../Errors.js"
import * as Freshness from "../../Freshness.js"
import * as Metrics from "../../Metrics.js"
import { Intent, type JournalRecord, UNCHECKED } from "../../RefreshJournal.js"
import type { RedeemAnswer } from "../../TokenEndpoint.js"
import * as JournalChange from "../journalChange.js"
import type { Redemption, Request, Transaction } from "./services.js"

export type Conclusion = Data.TaggedEnum<{
  /** The answer was about a token that is not the stored one any more. */
  BeginAgain: {}
  /** The retry may be made at once; the error is the caller's where there is no time for it. */
  Retry: { readonly previous: Intent; readonly journal: JournalRecord; readonly error: RefreshError }
}>
const Conclusion = Data.taggedEnum<Conclusion>()

type NotGranted = Exclude<RedeemAnswer, { readonly _tag: "Granted" }>

export const conclude = (
  { fingerprintOf, host, noteBestEffort, store }: Transaction,
  { demand, tenant }: Request,
  { fingerprint, held, journal, previous, rotates, stored: { credential } }: Redemption,
  { answer, intent, took }: { readonly answer: NotGranted; readonly intent: Intent; readonly took: number }
): Effect.Effect<Conclusion, RefreshError> =>
  Effect.gen(function*() {
    const now = yield* held.now
    const jitter = yield* Random.nextRange(0.5, 1)
    const isRetry = Option.exists(previous, (one) => one.sends > 0)
    const restored = JournalChange.update(journal, { intent: previous })
    const ended = Intent.make({ ...intent, endedAt: Option.some(now) }, UNCHECKED)
    const withIntent = (one: Intent) => rotates ? JournalChange.update(journal, { intent: Option.some(one) }) : journal

    const noted = (changed: JournalRecord, outcome: string, detail: string): Effect.Effect<void> =>
      Effect.flatMap(
        noteBestEffort(
          tenant,
          held,
          JournalChange.note(changed, host.self, { at: now, outcome, detail, from: fingerprint, took })
        ),
        (written) => written ? Metrics.cooled(tenant, journal, changed) : Effect.void
      )
    const cooled = (changed: JournalRecord, retryAfter: Option.Option<number> = Option.none()) =>
      JournalChange.cool(changed, now, { retryAfter, jitter })
    const unavailable = (reason: ProviderUnavailable["reason"], waiting: JournalRecord) =>
      new ProviderUnavailable({
        tenant,
        reason,
        retryAfter: Option.match(waiting.cooldown, { onNone: () => 0, onSome: ({ until }) => until - now }),
        detail: answer.detail,
        ...(answer._tag === "NeverSent" && answer.remedy !== undefined ? { remedy: answer.remedy } : {})
      })

    switch (answer._tag) {
      case "Terminal": {
        const reauthorize = (reason: ReauthorizationRequired["reason"]) =>
          new ReauthorizationRequired({ tenant, reason, detail: answer.detail })
        const present = yield* Effect.tapError(
          store.get(tenant),
          // Answered all the same. A refused retry stays spent, so that an unreadable store does not buy a third.
          () => noted(isRetry ? withIntent(ended) : restored, answer.reason, "the record could not be read again")
        )
        if (!Option.exists(present, (one) => Option.contains(fingerprintOf(one.credential), fingerprint))) {
          yield* noted(restored, answer.reason, "the record was replaced meanwhile")
          return Conclusion.BeginAgain()
        }
        if (isRetry) {
          // The first request consumed it, as far as anyone can tell: the refusal explains nothing else.
          yield* noted(withIntent(ended), "OutcomeUnknown", answer.detail)
          return yield* reauthorize("OutcomeUnknown")
        }
        const rejected = demand.purpose === "rejected" &&
          Credential.isSameSecret(demand.otherThan, credential.accessToken)
        const alive = Option.filter(
          credential.expiresAt,
          () => !rejected && Freshness.isUnexpired(Credential.lifetime(credential), now)
        )
        yield* Option.match(alive, {
          onSome: (expiresAt) =>
            noted(
              JournalChange.rest(restored, fingerprint, expiresAt * 1_000, now),
              answer.reason,
              `refused while the access token was valid; resting until it expires: ${answer.detail}`
            ),
          onNone: () =>
            noted(
              JournalChange.mark(restored, fingerprint, answer.reason, answer.detail, now),
              answer.reason,
              answer.detail
            )
        })
        return yield* reauthorize(answer.reason)
      }

      case "Rejected":
        yield* noted(cooled(restored), answer.reason, answer.detail)
        return yield* new ProviderRejected({ tenant, reason: answer.reason, detail: answer.detail })

      case "RateLimited": {
        const waiting = cooled(restored, answer.retryAfter)
        yield* noted(waiting, "RateLimited", answer.detail)
        return yield* unavailable("RateLimited", waiting)
      }

      case "ServerError": {
        // It proves nothing: the intent stays, ambiguous, and spends no retry, so that an outage is not a logout.
        const ambiguous = Intent.make({ ...ended, sends: intent.sends - 1, ambiguous: true }, UNCHECKED)
        const waiting = cooled(withIntent(ambiguous), answer.retryAfter)
        yield* noted(waiting, "ServerError", answer.detail)
        return yield* unavailable("ServerError", waiting)
      }

      case "NeverSent": {
        const waiting = JournalChange.coolNeverSent(restored, now)
        yield* noted(waiting, "NeverSent", answer.detail)
        return yield* unavailable("Transport", waiting)
      }

      case "Unknown": {
        yield* Metrics.unknown(tenant)
        const isAnswered = answer.answered === true
        const errorOf = (changed: JournalRecord) =>
          isAnswered
            ? unavailable("ServerError", changed)
            : new ProviderTimeout({ tenant, reason: "NoAnswer", waited: took })
        if (!rotates) {
          const waiting = cooled(journal)
          yield* noted(waiting, "Unknown", answer.detail)
          return yield* errorOf(waiting)
        }
        // A page that was read whole is what the server has to say for now: the one retry waits, in every process.
        const changed = isAnswered ? cooled(withIntent(ended)) : withIntent(ended)
        const open = JournalChange.note(changed, host.self, {
          at: now,
          outcome: "Unknown",
          detail: answer.detail,
          from: fingerprint,
          took
        })
        yield* noteBestEffort(tenant, held, open)
        if (intent.sends > 1) return yield* new ReauthorizationRequired({ tenant, reason: "OutcomeUnknown" })
        if (isAnswered) return yield* errorOf(open)
        return Conclusion.Retry({ previous: ended, journal: open, error: errorOf(open) })
      }
    }
  })
