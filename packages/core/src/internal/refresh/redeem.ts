/**
 * Spending a refresh token: everything that can fail comes first, then the intent, then the one request, then its
 * capture, and then what came of it.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Credential from "../../Credential.js"
import type { Held } from "../../Custody.js"
import { ProviderUnavailable, type RefreshError } from "../../Errors.js"
import * as Metrics from "../../Metrics.js"
import { CapturedAnswer, Intent, type JournalRecord, UNCHECKED } from "../../RefreshJournal.js"
import { RedeemAnswer } from "../../TokenEndpoint.js"
import * as Trace from "../../Trace.js"
import type * as Verdict from "../../Verdict.js"
import * as Answer from "../answer.js"
import { deadlineIn, remaining } from "../deadline.js"
import { detached } from "../detached.js"
import * as JournalChange from "../journalChange.js"
import * as StoreClock from "../storeClock.js"
import * as NotGranted from "./notGranted.js"
import * as Persist from "./persist.js"
import type { Obtained, Redemption, Request, Transaction } from "./services.js"

/** The kept answer must hold the coming record and what servers like to add. */
const ROOM_TO_SPARE = 16 * 1024

/** What an endpoint may take beyond its limit to look at what has arrived. Milliseconds. */
const OVERTIME = 1_000

const encodeCredential = Schema.encodeSync(Credential.Credential)
const roomFor = (credential: Credential.Credential): number =>
  JSON.stringify(encodeCredential(credential)).length + ROOM_TO_SPARE

const seconds = (millis: number): number => Math.floor(millis / 1_000)

export const make = (transaction: Transaction) => {
  const { custody, endpoint, host, noteBestEffort, policy, unpersisted } = transaction
  const { persist } = Persist.make(transaction)

  /**
   * Milliseconds that a server must be left to answer in, or nothing is sent: a request that is cut early is an unknown
   * outcome, which costs more than a wait. A starved machine can spend most of a hold before it gets to send. Of what
   * `quietTime` leaves of the hold, so that the retry after a holder that was killed is not without time by nature.
   */
  const timeToAnswer = Math.min(
    Duration.toMillis(policy.providerTimeout),
    Math.max(0, Duration.toMillis(policy.redeemLimit) - Duration.toMillis(policy.quietTime)) * 0.75
  )

  /**
   * Announces the request and sends it; `None` where the stored refresh token is another one by now. The intent is the
   * last act before the request: the next holder of the tenant must know that the token may be consumed (I7).
   */
  const send = (
    { onSend, tenant }: Request,
    { deadline, fingerprint, held, journal, prepared, previous, rotates, stored }: Redemption
  ) =>
    Effect.gen(function*() {
      const intent = Intent.make({
        attempt: yield* host.newId,
        version: stored.version,
        fingerprint,
        state: "sending",
        sends: Option.match(previous, { onNone: () => 1, onSome: (one) => one.sends + 1 }),
        ambiguous: Option.exists(previous, (one) => one.ambiguous),
        at: yield* held.now,
        endedAt: Option.none(),
        by: host.self
      }, UNCHECKED)
      const announced = rotates
        ? Option.some(JournalChange.update(journal, { intent: Option.some(intent) }))
        : Option.none()
      const begun = yield* held.begin(announced, stored).pipe(
        // A write that is reported as failed may have arrived: nothing was sent, and the journal must not say so.
        Effect.tapError((error) =>
          Option.isSome(announced) && error.reason !== "Superseded"
            ? noteBestEffort(tenant, held, JournalChange.update(journal, { intent: previous }))
            : Effect.void
        ),
        Trace.withSpan("lockstep.refresh.intent")
      )
      if (!begun) return Option.none()
      yield* onSend

      const began = yield* Clock.currentTimeNanos
      const budget = Math.max(0, yield* remaining(deadline))
      const answer = yield* prepared.redeem(Duration.millis(budget)).pipe(
        StoreClock.told(held),
        Effect.catchAllDefect(() =>
          Effect.succeed(RedeemAnswer.Unknown({ detail: "the request failed in this process" }))
        ),
        Effect.disconnect,
        // The endpoint bounds itself; this is for one that does not. Its time begins when the endpoint's is over: after a
        // stop of the process both would be past at once, and the endpoint could not look at what has arrived.
        Effect.raceFirst(
          Effect.sleep(budget).pipe(
            Effect.zipRight(Effect.sleep(OVERTIME)),
            Effect.as(RedeemAnswer.Unknown({ detail: "no answer within the limit of a redemption" }))
          )
        ),
        Trace.withSpan("lockstep.refresh.redeem")
      )
      return Option.some({ intent, answer, took: Number((yield* Clock.currentTimeNanos) - began) / 1_000_000 })
    })

  /** Keeps a rotated answer before anything else is done with it: from here on a crash loses nothing. */
  const capture = (
    { tenant }: Request,
    { fingerprint, held, journal, rotates, stored }: Redemption,
    { answer, intent }: { readonly answer: Data.TaggedEnum.Value<RedeemAnswer, "Granted">; readonly intent: Intent }
  ) =>
    Effect.gen(function*() {
      const captured = CapturedAnswer.make({
        attempt: intent.attempt,
        fingerprint,
        over: Answer.writer(stored.credential, journal),
        obtainedAt: seconds(yield* held.now),
        grant: answer.grant
      }, UNCHECKED)
      const rotated = Answer.rotates(host, captured)
      // An answer that leaves the refresh token as it is proves that it lives: nothing of it is unknown any more.
      const answered = JournalChange.update(journal, {
        intent: rotated ? Option.some(Intent.make({ ...intent, state: "consumed" }, UNCHECKED)) : Option.none()
      })
      if (!rotated) return { captured, isKept: false, answered }
      // If it cannot be kept, persisting is all the more urgent.
      const kept = yield* held.capture(captured).pipe(Trace.withSpan("lockstep.refresh.capture"), Effect.either)
      if (Either.isLeft(kept)) unpersisted.set(tenant, { answer: captured, retry: Option.none() })
      // A kept answer is judged before the intent, so it is what must last.
      if (rotates) {
        yield* Trace.withSpan(
          noteBestEffort(tenant, held, answered, { mustLast: Either.isLeft(kept) }),
          "lockstep.refresh.consumed"
        )
      }
      return { captured, isKept: Either.isRight(kept), answered }
    })

  /**
   * Sends the refresh token and deals with whatever comes of it. Runs detached. `None` asks to begin again at the
   * re-read: the stored refresh token is not the one that was redeemed.
   */
  const redeem = (request: Request, redemption: Redemption): Effect.Effect<Option.Option<Obtained>, RefreshError> =>
    Effect.gen(function*() {
      const { tenant } = request
      const sent = yield* send(request, redemption)
      if (Option.isNone(sent)) return Option.none()
      const { answer, intent, took } = sent.value
      // Nothing stands between the intent and the request, and nothing between the answer and its capture.
      const counted = Effect.zipRight(
        Option.exists(redemption.previous, (one) => one.sends > 0) ? Metrics.retried(tenant) : Effect.void,
        Metrics.redeemed(tenant, answer._tag, took)
      )
      if (answer._tag === "Granted") {
        const { answered, captured, isKept } = yield* capture(request, redemption, { answer, intent })
        yield* counted
        return yield* persist(request, {
          answer: captured,
          isKept,
          journal: redemption.rotates ? answered : redemption.journal,
          redeemed: redemption.stored.credential,
          held: redemption.held,
          outcome: "granted",
          took
        })
      }
      yield* counted
      const next = yield* NotGranted.conclude(transaction, request, redemption, { answer, intent, took })
      if (next._tag === "BeginAgain") return Option.none()

      // The one retry is best made while a provider's grace may last, and never before the first request can have
      // arrived: after quietTime, and only if the server is then left its time to answer.
      const left = (yield* remaining(redemption.deadline)) - Duration.toMillis(policy.quietTime)
      if (left < timeToAnswer) return yield* next.error
      yield* Effect.sleep(policy.quietTime)
      return yield* redeem(request, { ...redemption, journal: next.journal, previous: Option.some(next.previous) })
    })

  /** Finds the endpoint, its client and its secret. What fails here has spent nothing. */
  const prepareEndpoint = (
    { tenant }: Request,
    held: Held,
    credential: Credential.Credential,
    journal: JournalRecord
  ) =>
    endpoint.prepare(tenant, credential).pipe(
      Effect.timeoutFail({
        duration: policy.providerTimeout,
        onTimeout: () =>
          new ProviderUnavailable({ tenant, reason: "Transport", retryAfter: 1_000, detail: "discovery took too long" })
      }),
      Effect.tapError((error) =>
        Effect.flatMap(held.now, (now) => {
          const waiting = JournalChange.coolNeverSent(journal, now)
          return Effect.flatMap(
            noteBestEffort(
              tenant,
              held,
              JournalChange.note(waiting, host.self, { at: now, outcome: error.reason, detail: error.detail })
            ),
            (written) => written ? Metrics.cooled(tenant, journal, waiting) : Effect.void
          )
        })
      ),
      Trace.withSpan("lockstep.refresh.prepare")
    )

  /** Proves that the answer can be kept and stored, and waits until an earlier request can no longer arrive. */
  const prepareStore = (
    { tenant }: Request,
    { deadline, held, rotates, stored }: Redemption,
    quietUntil: bigint
  ) =>
    Effect.gen(function*() {
      yield* held.reserve(rotates ? Option.some(roomFor(stored.credential)) : Option.none())
      const quiet = yield* remaining(quietUntil)
      if (quiet > 0) yield* Effect.sleep(Duration.millis(quiet))
      // Sent now, the request would be cut before it can be answered, and its outcome would be unknown.
      if ((yield* remaining(deadline)) < timeToAnswer) {
        return yield* new ProviderUnavailable({ tenant, reason: "NoTime", retryAfter: 1_000 })
      }
    })

  /** Does everything that can fail without spending the refresh token. Can be interrupted, and then nothing was sent. */
  const prepare = (
    request: Request,
    next: Data.TaggedEnum.Value<Verdict.Next, "Redeem">,
    { now, ...context }: Pick<Redemption, "journal" | "held" | "deadline"> & { readonly now: number }
  ): Effect.Effect<Redemption, RefreshError> =>
    Effect.gen(function*() {
      const { credential } = next.stored
      // Counted from the judgement on the monotonic clock: a wall clock that is set back must not prolong the hold.
      const quiet = Option.match(next.notBefore, { onNone: () => 0, onSome: (at) => Math.max(0, at - now) })
      const quietUntil = yield* deadlineIn(Duration.millis(quiet))
      const { rotates } = endpoint.traits(request.tenant, credential)
      const prepared = yield* prepareEndpoint(request, context.held, credential, context.journal)
      const redemption: Redemption = {
        ...context,
        stored: next.stored,
        fingerprint: next.fingerprint,
        previous: next.previous,
        rotates,
        prepared
      }
      yield* prepareStore(request, redemption, quietUntil)
      return redemption
    })

  /** Redeems and persists in a fiber of its own, which no caller can cut (I5), and waits for it. */
  const redeemAndPersist = (
    request: Request,
    redemption: Redemption
  ): Effect.Effect<Option.Option<Obtained>, RefreshError> =>
    detached(Effect.onExit(redeem(request, redemption), (exit) =>
      Exit.isFailure(exit) && Cause.isDie(exit.cause)
        ? Effect.annotateLogs(Effect.logError(`the refresh of ${request.tenant} failed unexpectedly`), {
          tenant: request.tenant,
          store: custody.location
        })
        : Effect.void))

  return { prepare, persist, redeemAndPersist }
}
