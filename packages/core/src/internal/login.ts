/**
 * Putting a login into the store. One that is obtained under the lock is bought with something that is good once: so
 * everything that can fail comes before, and nobody can cut off what comes after.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { Credential, isOtherAccount, lifetime, type Stored } from "../Credential.js"
import { Change } from "../CredentialStore.js"
import { CredentialExists } from "../Errors.js"
import * as Freshness from "../Freshness.js"
import type { HeldLock } from "../LockWait.js"
import * as LogFields from "../LogFields.js"
import * as Metrics from "../Metrics.js"
import type { JournalRecord } from "../RefreshJournal.js"
import type { TenantId } from "../TenantId.js"
import { RevokeAnswer } from "../TokenEndpoint.js"
import * as Decision from "./decision.js"
import { detached } from "./detached.js"
import { type NotPersisted, persist } from "./persistence.js"
import type { Writing } from "./writing.js"

/** What a login put into the store, and in place of what. */
interface Placed {
  readonly stored: Stored
  readonly replaced: Option.Option<Credential>
}

const credentialOf = Option.map(({ credential }: Stored) => credential)

export const make = (writing: Writing) => {
  const { endpoint, fingerprintOf, host, keptAnswer, locked, policy, readOrReplace, revoke, settle, store } = writing

  /** Reads what tells whether somebody would miss a login: it can be refreshed, or its access token still works. */
  const judge = (tenant: TenantId, record: JournalRecord) =>
    Effect.gen(function*() {
      const kept = yield* keptAnswer(tenant)
      const now = yield* Clock.currentTimeMillis
      return (present: Stored): boolean =>
        (Option.isSome(present.credential.accessToken) && Freshness.isUnexpired(lifetime(present.credential), now)) ||
        !Decision.isOver(present, {
          tenant,
          location: store.location,
          journal: record,
          kept,
          fingerprint: fingerprintOf,
          traits: (credential) => endpoint.traits(tenant, credential),
          policy,
          now,
          acquiredAt: now
        })
    })

  const exists = (tenant: TenantId, { credential: { account } }: Stored) =>
    new CredentialExists({
      tenant,
      account: Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id))
    })

  /** Puts a login in place of the present one, if that may be replaced, and continues its generations. */
  const place = (
    tenant: TenantId,
    credential: Credential,
    record: JournalRecord,
    mayReplace: (present: Stored) => boolean
  ) =>
  (present: Option.Option<Stored>): Change<Either.Either<Placed, CredentialExists>> => {
    if (Option.isSome(present) && !mayReplace(present.value)) {
      return Change.Keep({ value: Either.left(exists(tenant, present.value)) })
    }
    const floor = Option.match(present, { onNone: () => 0, onSome: ({ credential: { generation } }) => generation })
    return Change.Put({
      credential: Credential.make({ ...credential, generation: Math.max(floor, record.generation) + 1 }),
      value: (stored) => Either.right({ stored, replaced: credentialOf(present) })
    })
  }

  /**
   * The store first and then the journal: the other order would allow a blind replay of the old token after a crash.
   * What the journal will not take is found out by the next refresh, and takes away nothing that is stored.
   */
  const conclude = (
    tenant: TenantId,
    write: Effect.Effect<Either.Either<Placed, CredentialExists>, NotPersisted>,
    { held, note, record }: {
      readonly held: HeldLock
      readonly note: string
      readonly record: JournalRecord
    }
  ): Effect.Effect<Placed, CredentialExists | NotPersisted> =>
    Effect.gen(function*() {
      const login = yield* Effect.withSpan(Effect.flatten(write), "lockstep.login.persist")
      const { replaced, stored } = login
      yield* held.wrote
      yield* Metrics.loggedIn(tenant)
      yield* settle(tenant, record, {
        generation: stored.credential.generation,
        outcome: note,
        from: Option.flatMap(replaced, fingerprintOf),
        to: fingerprintOf(stored.credential)
      }).pipe(
        Effect.catchAll((error) =>
          Effect.annotateLogs(
            Effect.logWarning(`the journal of ${tenant} could not be settled`),
            LogFields.ofError(tenant, error)
          )
        ),
        Effect.withSpan("lockstep.login.settle")
      )
      return login
    })

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
    }).pipe(Effect.withSpan("lockstep.login.discard"))

  const login = <E, R>(
    tenant: TenantId,
    obtain: Effect.Effect<Credential, E, R>,
    options: {
      readonly replace: boolean | ((present: Stored, journal: JournalRecord) => boolean)
      readonly like?: Credential
    }
  ): Effect.Effect<Placed, E | CredentialExists | NotPersisted, R> =>
    Effect.gen(function*() {
      const hint = options.like === undefined ? credentialOf(yield* store.get(tenant)) : Option.some(options.like)
      return yield* locked(tenant, hint, (held) =>
        Effect.gen(function*() {
          const record = yield* readOrReplace(tenant)
          const isLive = yield* judge(tenant, record)
          const { replace } = options
          const mayReplace = (present: Stored) =>
            (typeof replace === "boolean" ? replace : replace(present, record)) || !isLive(present)
          const before = yield* store.get(tenant)
          if (Option.isSome(before) && !mayReplace(before.value)) return yield* exists(tenant, before.value)
          yield* store.prepare(tenant)
          const attempt = yield* host.newId
          // From here on something is spent, and nobody may cut it off. Inside, everything can still be timed out.
          return yield* detached(Effect.gen(function*() {
            const obtained = yield* Effect.withSpan(obtain, "lockstep.login.obtain")
            const credential = Credential.make({ ...obtained, lastRedeem: Option.some(attempt) })
            const placed = place(tenant, credential, record, mayReplace)
            // A write that was reported as failed may have arrived all the same.
            const isOurs = (stored: Stored) => Option.contains(stored.credential.lastRedeem, attempt)
            const write = store.modify<Either.Either<Placed, CredentialExists>>(tenant, (present) =>
              Option.match(Option.filter(present, isOurs), {
                onNone: () => placed(present),
                onSome: (stored) => Change.Keep({ value: Either.right({ stored, replaced: credentialOf(before) }) })
              }))
            return yield* conclude(tenant, persist(write, writing), { held, note: "login", record }).pipe(
              Effect.tapError(() =>
                discard(tenant, credential, isOurs)
              )
            )
          }))
        }))
    }).pipe(
      Effect.tapError((error) => Metrics.loginFailed(tenant, error)),
      Effect.withSpan("lockstep.login", { attributes: { tenant } })
    )

  const put = (
    tenant: TenantId,
    credential: Credential,
    options: { readonly replace: boolean; readonly note: string }
  ): Effect.Effect<Stored, CredentialExists | NotPersisted> =>
    locked(tenant, Option.some(credential), (held) =>
      Effect.gen(function*() {
        const record = yield* readOrReplace(tenant)
        const isLive = yield* judge(tenant, record)
        const mayReplace = (present: Stored) =>
          options.replace || !(isOtherAccount(present.credential, credential) || isLive(present))
        const write = store.modify(tenant, place(tenant, credential, record, mayReplace))
        const { stored } = yield* detached(conclude(tenant, write, { held, note: options.note, record }))
        return stored
      })).pipe(
        Effect.tapError((error) => Metrics.loginFailed(tenant, error)),
        Effect.withSpan("lockstep.put", { attributes: { tenant } })
      )

  return { login, put }
}
