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
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Stored } from "../Credential.js"
import * as Credential from "../Credential.js"
import { type CredentialLock, LockTarget } from "../CredentialLock.js"
import { Change, type CredentialStore } from "../CredentialStore.js"
import {
  CredentialStoreError,
  type LockTimeout,
  type LockUnavailable,
  ProviderRejected,
  ProviderTimeout,
  ProviderUnavailable,
  ReauthorizationRequired,
  type RefreshError,
  RotationNotPersisted
} from "../Errors.js"
import * as Freshness from "../Freshness.js"
import * as Host from "../Host.js"
import * as LockWait from "../LockWait.js"
import { CapturedAnswer, Intent, type JournalRecord, type RefreshJournal } from "../RefreshJournal.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { TenantId } from "../TenantId.js"
import { type PreparedRedemption, RedeemAnswer, type TokenEndpoint } from "../TokenEndpoint.js"
import * as Decision from "./decision.js"
import * as Ledger from "./ledger.js"
import { merge } from "./merge.js"
import * as Wanted from "./wanted.js"

/** What a flight brought home. */
export interface Landed {
  readonly stored: Stored
  readonly by: "redeemed" | "adopted"
  readonly rotated: boolean
}

export interface Services {
  readonly store: CredentialStore["Type"]
  readonly lock: CredentialLock["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly journal: RefreshJournal["Type"]
  readonly policy: RefreshPolicy["Type"]
  readonly host: Host.Host["Type"]
  /** Answers that no file would take: kept here, never served, stored by the next flight or at the latest at close. */
  readonly unpersisted: Map<TenantId, CapturedAnswer>
  /** Runs what may happen after the lock is released and has a bound of its own; the service waits for it at close. */
  readonly afterwards: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

export interface Plan {
  readonly tenant: TenantId
  readonly wanted: Wanted.Wanted
  /** What was read before the lock. */
  readonly hint: Credential.Credential
  /** Completed when the refresh token is about to be sent. */
  readonly sent: Deferred.Deferred<void>
  /** Shows a durable credential to the callers of this process (I3: never earlier). */
  readonly publish: (landed: Landed) => Effect.Effect<void>
}

/** How a persist ended. All but `Written` leave the store as it was. */
type Persisted = Data.TaggedEnum<{
  Written: { readonly stored: Stored }
  Theirs: { readonly stored: Stored }
  OtherAccount: { readonly stored: Stored }
  Gone: {}
}>
const Persisted = Data.taggedEnum<Persisted>()

/** The answer file must hold the coming record and what servers like to add. */
const ROOM_TO_SPARE = 16 * 1024

const encodeCredential = Schema.encodeSync(Credential.Credential)
const roomFor = (credential: Credential.Credential): number =>
  JSON.stringify(encodeCredential(credential)).length + ROOM_TO_SPARE

/** The share of `redeemLimit` that must be left for a request to be sent: one in so many. */
const LEAST_SHARE = 4

/** Milliseconds before a failed write is tried again; doubles. */
const FIRST_RETRY = 50

const seconds = (millis: number): number => Math.floor(millis / 1_000)

/** So much later on the monotonic clock, in nanoseconds. */
const deadlineIn = (duration: Duration.Duration): Effect.Effect<bigint> =>
  Effect.map(Clock.currentTimeNanos, (now) => now + BigInt(Math.round(Duration.toMillis(duration))) * 1_000_000n)

/** Milliseconds that are left. */
const remaining = (deadline: bigint): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeNanos, (now) => Number((deadline - now) / 1_000_000n))

interface Persisting {
  readonly answer: CapturedAnswer
  /** The record that was redeemed. */
  readonly redeemed: Credential.Credential
  /** The last generation that the journal knows. */
  readonly floor: number
}

/**
 * Runs an effect in a fiber that nobody can interrupt, and waits for it through any interruption of our own. The effect
 * itself stays interruptible inside, so that its own timeouts work.
 */
export const detached = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.uninterruptible(Effect.flatMap(
    Effect.forkDaemon(Effect.interruptible(effect)),
    (fiber) => Effect.flatten(Fiber.await(fiber))
  ))

/** A redemption that landed settled its answer or keeps it, and so may one that died. */
const holdsNoAnswer = (exit: Exit.Exit<Option.Option<Landed>, RefreshError>): boolean =>
  Exit.match(exit, {
    onSuccess: Option.isNone,
    onFailure: (cause) => Option.exists(Cause.failureOption(cause), (error) => error._tag !== "RotationNotPersisted")
  })

export const make = (services: Services) => {
  const { endpoint, host, journal, lock, policy, store, unpersisted } = services

  const fingerprintOf = (credential: Credential.Credential): Option.Option<string> =>
    Option.map(credential.refreshToken, (token) => Host.fingerprint(host, token))

  /** Journals what only explains: its failure must not take away what was achieved. */
  const writeBestEffort = (tenant: TenantId, record: JournalRecord): Effect.Effect<void> =>
    Effect.catchAll(
      journal.write(tenant, record),
      (error) => Effect.logWarning(`the journal of ${tenant} could not be written`, { reason: error.reason })
    )

  const dropAnswer = (tenant: TenantId): Effect.Effect<void> => Effect.ignoreLogged(journal.dropAnswer(tenant))

  const revoke = (tenant: TenantId, credential: Credential.Credential, answer: CapturedAnswer): Effect.Effect<void> =>
    services.afterwards(
      endpoint.revoke(tenant, merge(credential, answer, credential.generation)).pipe(
        Effect.disconnect,
        Effect.timeoutOption(policy.revokeTimeout),
        Effect.asVoid
      )
    )

  /** Writes the answer over the refresh token that was redeemed, and over nothing else. */
  const persistOnce = (
    tenant: TenantId,
    { answer, floor, redeemed }: Persisting
  ): Effect.Effect<Persisted, CredentialStoreError | LockTimeout | LockUnavailable> =>
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
   * Tries again for as long as `persistRetry`, counted from the first try: a full disk or a busy aggregate may pass. The
   * last try begins when that has passed, so that no legal hold is longer than the policy says.
   */
  const persist = (tenant: TenantId, persisting: Persisting) => {
    const attempt = (
      deadline: bigint,
      delay: number
    ): Effect.Effect<Persisted, CredentialStoreError | LockTimeout | LockUnavailable> =>
      persistOnce(tenant, persisting).pipe(
        // A defect of a store is a failure to write like any other: the answer is still kept.
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
    return Effect.flatMap(deadlineIn(policy.persistRetry), (deadline) => attempt(deadline, FIRST_RETRY)).pipe(
      Effect.withSpan("lockstep.refresh.persist")
    )
  }

  /**
   * Brings a captured answer home: persist, publish by returning it, settle, remove the answer file, in this order. The
   * other order would let a crash forget what only the answer file still holds. `None` asks to begin again at the
   * re-read: the answer is settled, and what is stored now may not be served.
   */
  const bringHome = Effect.fn(function*(plan: Plan, options: {
    readonly answer: CapturedAnswer
    readonly record: JournalRecord
    readonly redeemed: Credential.Credential
    readonly held: LockWait.HeldLock
    readonly outcome: string
    readonly took?: number
  }) {
    const { tenant, wanted } = plan
    const { answer, held, record, redeemed } = options
    const persisted = yield* Effect.either(persist(tenant, { answer, redeemed, floor: record.generation }))
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
      yield* Effect.logWarning(failure.message)
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
        const landed = landedWith({ stored: persisted.right.stored, by: "redeemed", rotated })
        if (Option.isSome(landed)) yield* plan.publish(landed.value)
        yield* settle(persisted.right.stored.credential.generation, options.outcome)
        return landed
      }
      case "Theirs":
        yield* settle(persisted.right.stored.credential.generation, "replaced", "another login was stored meanwhile")
        yield* revoke(tenant, redeemed, answer)
        return landedWith({ stored: persisted.right.stored, by: "adopted", rotated: false })
      case "OtherAccount":
        yield* settle(persisted.right.stored.credential.generation, "replaced", "another account was stored meanwhile")
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

      const restored = Ledger.update(record, { intent: job.previous })
      const noted = (journalRecord: JournalRecord, outcome: string, detail: string) =>
        writeBestEffort(
          tenant,
          Ledger.note(journalRecord, host.self, { at: now, outcome, detail, from: fingerprint, took })
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
          // arrived: after quietTime, and only if a whole providerTimeout is left for it.
          const quiet = Duration.toMillis(policy.quietTime)
          const left = (yield* remaining(job.deadline)) - quiet
          if (left < Duration.toMillis(policy.providerTimeout)) return yield* noAnswer
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
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          writeBestEffort(
            tenant,
            Ledger.note(Ledger.coolNeverSent(record, now), host.self, {
              at: now,
              outcome: error.reason,
              detail: error.detail
            })
          ))
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
      if ((yield* remaining(options.deadline)) < Duration.toMillis(policy.redeemLimit) / LEAST_SHARE) {
        return yield* new ProviderUnavailable({
          tenant,
          reason: "Transport",
          retryAfter: 1_000,
          detail: "no time was left to hear an answer, so nothing was sent"
        })
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
      return Wanted.isMetBy(plan.wanted, credential, { now, margin })
        ? Option.some<Landed>({ stored, by: "adopted", rotated: false })
        : Option.none()
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
      Effect.withSpan("lockstep.refresh", { root: true, attributes: { tenant: plan.tenant } })
    )

  return { fly }
}
