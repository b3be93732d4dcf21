/**
 * Storing an answer. It is written over the refresh token that was redeemed, or over one that is known to be exchanged
 * already, and over nothing else: a login that another program stored meanwhile stays.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Stored } from "../../Credential.js"
import * as Credential from "../../Credential.js"
import type { CommitError, Held, Settlement } from "../../Custody.js"
import * as Demand from "../../Demand.js"
import { ReauthorizationRequired, type RefreshError, RotationNotPersisted } from "../../Errors.js"
import * as Fingerprint from "../../Fingerprint.js"
import * as LogFields from "../../LogFields.js"
import * as Metrics from "../../Metrics.js"
import type { CapturedAnswer, JournalRecord } from "../../RefreshJournal.js"
import * as Trace from "../../Trace.js"
import * as Verdict from "../../Verdict.js"
import { Change } from "../../WritableStore.js"
import * as Answer from "../answer.js"
import * as JournalChange from "../journalChange.js"
import { retain } from "./retain.js"
import { persistently } from "./retry.js"
import type { Obtained, Request, Transaction } from "./services.js"

/** How a commit ended. All but `Written` leave the store as it was. */
type Persisted = Data.TaggedEnum<{
  Written: { readonly stored: Stored }
  /** Another token of the same account, or a newer answer to the same token, is stored. */
  Theirs: { readonly stored: Stored }
  OtherAccount: { readonly stored: Stored }
  Gone: {}
}>
const Persisted = Data.taggedEnum<Persisted>()

export interface Persisting {
  readonly answer: CapturedAnswer
  /** Where it is beside the memory of this process. */
  readonly isKept: boolean
  readonly journal: JournalRecord
  /** The record that was redeemed. */
  readonly redeemed: Credential.Credential
  readonly held: Held
  /** `granted` just now, or `recovered` from where it was kept. */
  readonly outcome: "granted" | "recovered"
  /** Milliseconds that the request took. */
  readonly took?: number
}

export const make = (transaction: Transaction) => {
  const { custody, fingerprintOf, host, noteBestEffort, policy, revoke, unpersisted } = transaction

  const decide =
    ({ answer, journal, outcome, redeemed }: Persisting) => (current: Option.Option<Stored>): Change<Persisted> => {
      if (Option.isNone(current)) return Change.Keep({ value: Persisted.Gone() })
      const { credential } = current.value
      const fingerprint = fingerprintOf(credential)
      const isRedeemed = Option.contains(fingerprint, answer.fingerprint)
      // A write that was reported as failed may have arrived all the same. What it wrote is ours.
      if (
        Answer.wrote(answer, credential) ||
        (!isRedeemed && Option.isSome(answer.grant.refreshToken) &&
          Credential.isSameSecret(credential.refreshToken, answer.grant.refreshToken))
      ) {
        return Change.Keep({ value: Persisted.Written({ stored: current.value }) })
      }
      const theirs = { stored: current.value }
      // Whatever the clocks say, a record is no newer than the answer that was just given for it.
      const isUnchanged = outcome === "granted" && isRedeemed &&
        Credential.isSameSecret(credential.accessToken, redeemed.accessToken)
      if (!isUnchanged && Answer.isOutdated(answer, credential, journal)) {
        return Change.Keep({ value: Persisted.Theirs(theirs) })
      }
      // Few answers name an account: ours is the one whose token was redeemed.
      if (!isRedeemed && Credential.isOtherAccount(Answer.merge(redeemed, answer, 0), credential)) {
        return Change.Keep({ value: Persisted.OtherAccount(theirs) })
      }
      // A token that the journal knows to be exchanged came back with a snapshot, and ours is the only living one.
      if (isRedeemed || Option.exists(fingerprint, (one) => JournalChange.isRetired(journal, one))) {
        const generation = Math.max(credential.generation, journal.generation) + 1
        return Change.Put({
          credential: Answer.merge(credential, answer, generation),
          value: (stored) => Persisted.Written({ stored })
        })
      }
      return Change.Keep({ value: Persisted.Theirs(theirs) })
    }

  const failureOf = (
    tenant: Request["tenant"],
    kept: RotationNotPersisted["kept"],
    cause: CommitError
  ): RotationNotPersisted =>
    new RotationNotPersisted({ tenant, location: custody.location, kept, detail: cause.message })

  /** Keeps an answer that the store would not take, where anything will keep it. */
  const notPersisted = (
    request: Request,
    options: Persisting,
    rotated: boolean,
    cause: CommitError
  ): Effect.Effect<Option.Option<Obtained>, RefreshError> =>
    Effect.gen(function*() {
      const { tenant } = request
      const { answer, held, isKept, journal, redeemed } = options
      const now = yield* held.now
      if (!isKept) unpersisted.set(tenant, { answer, retry: Option.none() })
      const isNoted = yield* noteBestEffort(
        tenant,
        held,
        JournalChange.note(journal, host.self, {
          at: now,
          outcome: "RotationNotPersisted",
          detail: cause._tag,
          from: answer.fingerprint
        })
      )
      const failure = failureOf(tenant, isKept ? "AnswerFile" : "Memory", cause)
      const exit = policy.serveUnpersisted
        ? Exit.succeed<Obtained>({
          stored: {
            credential: Answer.merge(redeemed, answer, redeemed.generation),
            version: Credential.Version(`unpersisted:${answer.attempt}`)
          },
          by: "redeemed",
          rotated
        })
        : Exit.fail(failure)
      if (policy.serveUnpersisted) {
        yield* Effect.annotateLogs(Effect.logWarning(failure.message), LogFields.ofError(tenant, failure))
      }
      // Neither answer file nor journal tells another process that the token is consumed: only the lock keeps it from
      // sending that token again, so this process holds the tenant for as long as it has the answer (I7).
      if (rotated && !isKept && !isNoted) {
        yield* retain(transaction, request, { answer, exit, attempt: store(request, options, rotated) })
      }
      return Option.some(yield* exit)
    })

  /** Stores the answer; `None` asks to begin again at the re-read: what is stored now may not be served. */
  const store = (
    request: Request,
    options: Persisting,
    rotated: boolean
  ): Effect.Effect<Either.Either<Option.Option<Obtained>, CommitError>, RefreshError> =>
    Effect.gen(function*() {
      const { demand, tenant } = request
      const { answer, held, journal, outcome, redeemed } = options
      const now = yield* held.now
      const to = Option.map(answer.grant.refreshToken, (token) => Fingerprint.of(host, token))

      // What was answered just now serves every caller, however short it lives. What was answered long ago may have run
      // out since, and so may a record that another program stored.
      const served = (obtained: Obtained): Option.Option<Obtained> =>
        (obtained.by === "redeemed" && outcome === "granted") ||
          Demand.maySettleFor(demand, obtained.stored.credential, now)
          ? Option.some(obtained)
          : Option.none()

      const settlement = (
        generation: number,
        stored: Option.Option<Credential.Credential>,
        told: string,
        detail?: string
      ): Settlement => {
        const isSameToken = Option.contains(Option.flatMap(stored, fingerprintOf), answer.fingerprint)
        const settled = outcome === "recovered" && isSameToken
          ? JournalChange.settleKept(journal, generation, answer.attempt)
          : JournalChange.clear(journal, generation)
        const cleared = JournalChange.update(settled, { lastRedeem: Option.some(answer.attempt) })
        const counted = demand.purpose === "rejected" ? JournalChange.countRejection(cleared, now) : cleared
        return {
          discard: true,
          journal: JournalChange.note(
            rotated ? JournalChange.retire(counted, answer.fingerprint, generation, now) : counted,
            host.self,
            {
              at: now,
              outcome: told,
              detail,
              from: answer.fingerprint,
              to: Option.getOrUndefined(to),
              took: options.took
            }
          )
        }
      }

      const settle = (persisted: Persisted): Option.Option<Settlement> => {
        switch (persisted._tag) {
          case "Written": {
            const { credential } = persisted.stored
            const written = settlement(credential.generation, Option.some(credential), outcome)
            return Option.some({
              ...written,
              journal: JournalChange.update(written.journal, {
                login: JournalChange.continued(journal, answer.fingerprint, fingerprintOf(credential))
              })
            })
          }
          case "Theirs":
          case "OtherAccount":
            return Option.some(settlement(
              persisted.stored.credential.generation,
              Option.some(persisted.stored.credential),
              "replaced",
              persisted._tag === "Theirs"
                ? "another login was stored meanwhile"
                : "another account was stored meanwhile"
            ))
          case "Gone":
            // An answer that was kept once is kept on: a record may be absent for a moment.
            return outcome === "granted"
              ? Option.some(settlement(journal.generation, Option.none(), "removed", "logged out meanwhile"))
              : Option.none()
        }
      }

      const committed = yield* Effect.either(Trace.withSpan(
        persistently(
          held.commit({
            act: "refresh",
            decide: decide(options),
            settle,
            onDurable: (persisted) =>
              Effect.gen(function*() {
                if (outcome === "granted" || persisted._tag !== "Gone") unpersisted.delete(tenant)
                if (persisted._tag !== "Written") return
                if (outcome === "recovered") yield* Metrics.recovered(tenant)
                const obtained = served({ stored: persisted.stored, by: "redeemed", rotated })
                if (Option.isSome(obtained)) yield* request.publish(Exit.succeed(obtained.value))
              })
          }),
          { policy, location: custody.location }
        ),
        "lockstep.refresh.persist"
      ))
      if (Either.isLeft(committed)) return Either.left(committed.left)
      const { settled, value } = committed.right
      if (Either.isLeft(settled)) {
        yield* Effect.annotateLogs(
          Effect.logWarning(`the journal of ${tenant} could not be written`),
          LogFields.ofError(tenant, settled.left)
        )
      }

      switch (value._tag) {
        case "Written":
          return Either.right(served({ stored: value.stored, by: "redeemed", rotated }))
        case "Theirs":
          // Ours is not revoked: both may be of one family, and its revocation would end theirs.
          yield* Metrics.adopted(tenant, "Replaced")
          return Either.right(served({ stored: value.stored, by: "adopted", rotated: false }))
        case "OtherAccount":
          yield* revoke(tenant, redeemed, answer)
          return yield* Verdict.otherAccount(
            custody.location,
            Verdict.accounts(redeemed, value.stored.credential)
          )
        case "Gone":
          if (outcome === "granted") yield* revoke(tenant, redeemed, answer)
          return yield* new ReauthorizationRequired({ tenant, reason: "Removed" })
      }
    })

  /**
   * Stores an answer, in this order: store, callers, journal, and only then the kept answer is removed. The other order
   * would let a crash forget what only the kept answer still holds. `None` asks to begin again at the re-read.
   */
  const persist = (request: Request, options: Persisting): Effect.Effect<Option.Option<Obtained>, RefreshError> => {
    const rotated = Answer.rotates(host, options.answer)
    return Effect.flatMap(
      store(request, options, rotated),
      Either.match({
        onLeft: (cause) => notPersisted(request, options, rotated, cause),
        onRight: Effect.succeed
      })
    )
  }

  return { persist }
}
