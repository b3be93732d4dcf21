/**
 * Putting a login into the store. One that is obtained under the lock is bought with something that is good once: so
 * everything that can fail comes before, and no interruption cuts off what comes after.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { Credential, isOtherAccount, type Stored } from "../Credential.js"
import type { CommitError, Evidence, Held } from "../Custody.js"
import { CredentialExists, CredentialStoreError } from "../Errors.js"
import * as LogFields from "../LogFields.js"
import * as Metrics from "../Metrics.js"
import type { JournalRecord } from "../RefreshJournal.js"
import type { TenantId } from "../TenantId.js"
import { RevokeAnswer } from "../TokenEndpoint.js"
import * as Trace from "../Trace.js"
import * as Verdict from "../Verdict.js"
import { Change } from "../WritableStore.js"
import { detached } from "./detached.js"
import * as JournalChange from "./journalChange.js"
import { persistently } from "./refresh/retry.js"
import type { Replacing } from "./replacing.js"

/** What a login put into the store, and in place of what. */
interface Placed {
  readonly stored: Stored
  readonly replaced: Option.Option<Credential>
}

type Refusal = CredentialExists | CredentialStoreError

const credentialOf = Option.map(({ credential }: Stored) => credential)

export const make = (replacing: Replacing) => {
  const { custody, endpoint, fingerprintOf, hold, host, policy, readHeld, revoke, settlement, store } = replacing

  const isAlive = (tenant: TenantId, evidence: Evidence) => (present: Stored): boolean =>
    Verdict.isAlive({
      evidence: { ...evidence, stored: Option.some(present) },
      policy,
      fingerprint: fingerprintOf,
      traits: (credential) => endpoint.traits(tenant, credential)
    })

  const exists = (tenant: TenantId, { credential: { account } }: Stored) =>
    new CredentialExists({
      tenant,
      account: Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id))
    })

  /** A refresh token that was exchanged once is never put over a living one: with that, the login would end. */
  const isExchanged = (credential: Credential, present: Stored, journal: JournalRecord): boolean => {
    const fingerprint = fingerprintOf(credential)
    return Option.exists(fingerprint, (one) => JournalChange.isRetired(journal, one)) &&
      Option.getOrNull(fingerprint) !== Option.getOrNull(fingerprintOf(present.credential))
  }

  const exchanged = () =>
    new CredentialStoreError({
      reason: "Superseded",
      location: custody.location,
      detail: "it holds the token that the given refresh token was exchanged for",
      remedy: "keep the stored login, or log in anew: the given one cannot be refreshed any more"
    })

  /** Puts a login in place of the present one, if that may be replaced, and continues its generations. */
  const place = (
    tenant: TenantId,
    credential: Credential,
    evidence: Evidence,
    mayReplace: (present: Stored) => boolean
  ) =>
  (present: Option.Option<Stored>): Change<Either.Either<Placed, Refusal>> => {
    const { journal } = evidence
    if (Option.isSome(present)) {
      if (isExchanged(credential, present.value, journal) && isAlive(tenant, evidence)(present.value)) {
        return Change.Keep({ value: Either.left(exchanged()) })
      }
      if (!mayReplace(present.value)) return Change.Keep({ value: Either.left(exists(tenant, present.value)) })
    }
    const floor = Option.match(present, { onNone: () => 0, onSome: ({ credential: { generation } }) => generation })
    return Change.Put({
      credential: Credential.make({ ...credential, generation: Math.max(floor, journal.generation) + 1 }),
      value: (stored) => Either.right({ stored, replaced: credentialOf(present) })
    })
  }

  /**
   * The store first and then the journal: the other order would allow a blind replay of the old token after a crash.
   * What the journal will not take is found out by the next refresh, and takes away nothing that is stored.
   */
  const commit = (
    tenant: TenantId,
    held: Held,
    evidence: Evidence,
    note: string,
    decide: (present: Option.Option<Stored>) => Change<Either.Either<Placed, Refusal>>
  ): Effect.Effect<Either.Either<Placed, Refusal>, CommitError> =>
    held.commit({
      act: "login",
      decide,
      onDurable: (placed) => Either.isRight(placed) ? Metrics.loggedIn(tenant) : Effect.void,
      settle: Either.match({
        onLeft: () => Option.none(),
        onRight: ({ replaced, stored }) =>
          Option.some(settlement(evidence, {
            at: evidence.now,
            generation: stored.credential.generation,
            outcome: note,
            from: Option.flatMap(replaced, fingerprintOf),
            to: fingerprintOf(stored.credential)
          }))
      })
    }).pipe(
      Effect.tap(({ settled }) =>
        Either.isLeft(settled)
          ? Effect.annotateLogs(
            Effect.logWarning(`the journal of ${tenant} could not be settled`),
            LogFields.ofError(tenant, settled.left)
          )
          : Effect.void
      ),
      Effect.map(({ value }) => value),
      Trace.withSpan("lockstep.login.persist")
    )

  /** Ends tokens that were obtained and that no store took. Those that one may hold all the same are left alone. */
  const discard = (tenant: TenantId, credential: Credential, isOurs: (stored: Stored) => boolean) =>
    Effect.gen(function*() {
      const mayBeStored = yield* Effect.match(store.get(tenant), {
        onSuccess: Option.exists(isOurs),
        onFailure: () => true
      })
      const answer = mayBeStored
        ? RevokeAnswer.Failed({ detail: "the store may hold them" })
        : yield* revoke(tenant, credential)
      if (answer._tag !== "Revoked") {
        yield* Effect.annotateLogs(
          Effect.logWarning(`the login of ${tenant} was not stored, and its tokens were not revoked`),
          { tenant, reason: answer._tag }
        )
      }
    }).pipe(Trace.withSpan("lockstep.login.discard"))

  const login = <E, R>(
    tenant: TenantId,
    obtain: Effect.Effect<Credential, E, R>,
    options: {
      readonly replace: boolean | ((present: Stored, journal: JournalRecord) => boolean)
      readonly like?: Credential
    }
  ): Effect.Effect<Placed, E | CredentialExists | CommitError, R> =>
    Effect.gen(function*() {
      const hint = options.like === undefined ? credentialOf(yield* store.get(tenant)) : Option.some(options.like)
      return yield* Effect.scoped(Effect.gen(function*() {
        const { entry, held } = yield* hold(tenant, "login", hint)
        const evidence = yield* readHeld(held)
        const before = evidence.stored
        const isLive = isAlive(tenant, evidence)
        const { replace } = options
        const mayReplace = (present: Stored) =>
          (typeof replace === "boolean" ? replace : replace(present, evidence.journal)) || !isLive(present)
        if (Option.isSome(before) && !mayReplace(before.value)) return yield* exists(tenant, before.value)
        yield* held.reserve(Option.none())
        const attempt = yield* host.newId
        // From here on something is spent, and no interruption cuts it off. Inside, everything can still be timed out.
        return yield* detached(Effect.gen(function*() {
          yield* entry.spent
          const obtained = yield* Trace.withSpan(obtain, "lockstep.login.obtain")
          const credential = Credential.make({ ...obtained, lastRedeem: Option.some(attempt) })
          const placed = place(tenant, credential, evidence, mayReplace)
          // A write that was reported as failed may have arrived all the same.
          const isOurs = (stored: Stored) => Option.contains(stored.credential.lastRedeem, attempt)
          const write = commit(tenant, held, evidence, "login", (present) =>
            Option.match(Option.filter(present, isOurs), {
              onNone: () =>
                placed(present),
              onSome: (stored) =>
                Change.Keep({ value: Either.right({ stored, replaced: credentialOf(before) }) })
            }))
          return yield* persistently(write, { policy, location: custody.location }).pipe(
            Effect.flatten,
            Effect.tapError(() =>
              discard(tenant, credential, isOurs)
            )
          )
        }))
      }))
    }).pipe(
      Effect.tapError((error) =>
        Metrics.loginFailed(tenant, error)
      ),
      Trace.withSpan("lockstep.login", { attributes: { tenant } })
    )

  const put = (
    tenant: TenantId,
    credential: Credential,
    options: { readonly replace: boolean; readonly note: string }
  ): Effect.Effect<Stored, CredentialExists | CommitError> =>
    Effect.scoped(Effect.gen(function*() {
      const { held } = yield* hold(tenant, "login", Option.some(credential))
      const evidence = yield* readHeld(held)
      const isLive = isAlive(tenant, evidence)
      const mayReplace = (present: Stored) =>
        options.replace || !(isOtherAccount(present.credential, credential) || isLive(present))
      const write = commit(tenant, held, evidence, options.note, place(tenant, credential, evidence, mayReplace))
      const { stored } = yield* detached(Effect.flatten(write))
      return stored
    })).pipe(
      Effect.tapError((error) => Metrics.loginFailed(tenant, error)),
      Trace.withSpan("lockstep.put", { attributes: { tenant } })
    )

  return { login, put }
}
