/**
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Credential, isOtherAccount, isSameSecret, lifetime, type Stored } from "./Credential.js"
import { CredentialLock, LockTarget } from "./CredentialLock.js"
import { Change, CredentialStore } from "./CredentialStore.js"
import { CredentialExists, CredentialStoreError, type LockTimeout, type LockUnavailable } from "./Errors.js"
import * as Freshness from "./Freshness.js"
import * as Host from "./Host.js"
import { detached } from "./internal/detached.js"
import * as Ledger from "./internal/ledger.js"
import { merge } from "./internal/merge.js"
import * as LockWait from "./LockWait.js"
import * as RefreshJournal from "./RefreshJournal.js"
import { RefreshPolicy } from "./RefreshPolicy.js"
import type { TenantId } from "./TenantId.js"
import { RevokeAnswer, TokenEndpoint } from "./TokenEndpoint.js"

/**
 * What a logout did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Removal {
  /** Whether there was a login to remove. */
  readonly removed: boolean
  /** `None` where revocation was not asked for or there was nothing to revoke. */
  readonly revoked: RevokeAnswer | { readonly _tag: "None" }
}

/**
 * What a login did.
 *
 * @since 0.1.0
 * @category models
 */
export interface Login {
  readonly stored: Stored
  /** What was there before. */
  readonly replaced: Option.Option<Credential>
}

/**
 * Puts logins in and takes them out, under the same locks as a refresh: the store first, then journal and answer file,
 * since the other order would allow a blind replay after a crash.
 *
 * @since 0.1.0
 * @category services
 */
export class CredentialWriter extends Context.Tag("@lockstep/core/CredentialWriter")<CredentialWriter, {
  /**
   * Stores a new login. A live login of this tenant, or one of another account, is replaced only on `replace`.
   * `note` names the act in the tenant's history: `import`, `login`.
   */
  readonly put: (tenant: TenantId, credential: Credential, options: {
    readonly replace: boolean
    readonly note: string
  }) => Effect.Effect<Stored, CredentialExists | CredentialStoreError | LockTimeout | LockUnavailable>

  /**
   * Stores the login that `obtain` brings.
   *
   * The tenant's lock is taken before `obtain` runs and kept until its answer is durable, so what it spends (a code, a
   * device's grant) is never spent for nothing: without the lock, without a writable store, or where a live login is not
   * to be replaced, it does not run. Once it runs, an interruption of the caller waits for it; it has bounds of its own.
   * A login of another account replaces what is there; `replaced` tells.
   */
  readonly login: <E, R>(
    tenant: TenantId,
    obtain: Effect.Effect<Credential, E, R>,
    options: { readonly replace: boolean }
  ) => Effect.Effect<Login, E | CredentialExists | CredentialStoreError | LockTimeout | LockUnavailable, R>

  /** Revokes both tokens where the server can, bounded, then removes the record. Absent is fine. */
  readonly remove: (
    tenant: TenantId,
    options: { readonly revoke: boolean }
  ) => Effect.Effect<Removal, CredentialStoreError | LockTimeout | LockUnavailable>
}>() {}

/**
 * Makes a writer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<
  CredentialWriter["Type"],
  never,
  CredentialStore | CredentialLock | TokenEndpoint | RefreshJournal.RefreshJournal | RefreshPolicy | Host.Host
> = Effect.gen(function*() {
  const store = yield* CredentialStore
  const lock = yield* CredentialLock
  const endpoint = yield* TokenEndpoint
  const journal = yield* RefreshJournal.RefreshJournal
  const policy = yield* RefreshPolicy
  const host = yield* Host.Host

  const fingerprintOf = (credential: Credential) =>
    Option.map(credential.refreshToken, (token) => Host.fingerprint(host, token))

  const locked = <A, E, R>(tenant: TenantId, effect: (held: LockWait.HeldLock) => Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.flatMap(
      LockWait.acquire(lock, LockTarget.Tenant({ tenant }), { timeout: policy.lockTimeout, label: tenant }),
      effect
    ))

  /**
   * Reads the journal, or starts a new one in place of a damaged one: a new login must not be kept out by it. Its
   * generations then count from the time of day, which no count of changes has ever reached.
   */
  const readOrReplace = (tenant: TenantId, now: number) =>
    Effect.catchIf(
      journal.read(tenant),
      (error) => error.reason === "Decode",
      () => Effect.succeed(Ledger.update(RefreshJournal.empty(tenant), { generation: Math.floor(now / 1_000) }))
    )

  /** A token that may have been consumed must not come back with a restored file once its intent is gone. */
  const retireIntent = (record: RefreshJournal.JournalRecord, generation: number, now: number) =>
    Option.match(record.intent, {
      onNone: () => record,
      onSome: (intent) => Ledger.retire(record, intent.fingerprint, generation, now)
    })

  const settle = (tenant: TenantId, record: RefreshJournal.JournalRecord, entry: {
    readonly generation: number
    readonly outcome: string
    readonly from: Option.Option<string>
    readonly to: Option.Option<string>
  }): Effect.Effect<void, CredentialStoreError> =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      // The same refresh token again is no new login: what is known of it stays known.
      const isSameToken = Option.isSome(entry.to) && Option.getOrNull(entry.from) === entry.to.value
      const settled = isSameToken
        ? Ledger.update(record, { generation: entry.generation })
        : Ledger.clear(retireIntent(record, entry.generation, at), entry.generation)
      return Effect.zipRight(
        journal.write(
          tenant,
          Ledger.note(settled, host.self, {
            at,
            outcome: entry.outcome,
            from: Option.getOrUndefined(entry.from),
            to: Option.getOrUndefined(entry.to)
          })
        ),
        isSameToken ? Effect.void : journal.dropAnswer(tenant)
      )
    })

  /** Whether somebody would miss this login: it can be refreshed, or its access token still works. */
  const isLive = (credential: Credential, record: RefreshJournal.JournalRecord, now: number): boolean =>
    Option.exists(fingerprintOf(credential), (fingerprint) => Option.isNone(Ledger.marked(record, fingerprint))) ||
    (Option.isSome(credential.accessToken) && Freshness.isUnexpired(lifetime(credential), now))

  const exists = (tenant: TenantId, { account }: Credential) =>
    new CredentialExists({
      tenant,
      account: Option.flatMap(account, ({ id, label }) => Option.orElse(label, () => id))
    })

  /** The store first: the other order would allow a blind replay of the old token after a crash. */
  const write = (
    tenant: TenantId,
    record: RefreshJournal.JournalRecord,
    held: LockWait.HeldLock,
    credential: Credential,
    note: string,
    mayReplace: (present: Credential) => boolean
  ) =>
    Effect.gen(function*() {
      const decided = yield* store.modify<Either.Either<Login, CredentialExists>>(tenant, (current) => {
        const present = Option.map(current, (one) => one.credential)
        if (Option.isSome(present) && !mayReplace(present.value)) {
          return Change.Keep({ value: Either.left(exists(tenant, present.value)) })
        }
        const floor = Option.match(present, { onNone: () => 0, onSome: (one) => one.generation })
        return Change.Put({
          credential: Credential.make({ ...credential, generation: Math.max(floor, record.generation) + 1 }),
          value: (stored) => Either.right({ stored, replaced: present })
        })
      })
      const written = yield* decided
      yield* held.wrote
      yield* settle(tenant, record, {
        generation: written.stored.credential.generation,
        outcome: note,
        from: Option.flatMap(written.replaced, fingerprintOf),
        to: fingerprintOf(written.stored.credential)
      })
      return written
    })

  const login: CredentialWriter["Type"]["login"] = (tenant, obtain, options) =>
    locked(tenant, (held) =>
      Effect.gen(function*() {
        const before = yield* readOrReplace(tenant, yield* Clock.currentTimeMillis)
        const present = Option.map(yield* store.get(tenant), (one) => one.credential)
        const now = yield* Clock.currentTimeMillis
        if (Option.isSome(present) && !options.replace && isLive(present.value, before, now)) {
          return yield* exists(tenant, present.value)
        }
        yield* store.prepare(tenant)
        return yield* Effect.uninterruptible(Effect.gen(function*() {
          const credential = yield* detached(obtain)
          return yield* write(tenant, before, held, credential, "login", () => true)
        }))
      }))

  const put: CredentialWriter["Type"]["put"] = (tenant, credential, options) =>
    locked(tenant, (held) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const record = yield* readOrReplace(tenant, now)
        const { stored } = yield* write(
          tenant,
          record,
          held,
          credential,
          options.note,
          (present) => options.replace || !(isOtherAccount(present, credential) || isLive(present, record, now))
        )
        return stored
      }).pipe(Effect.uninterruptible))

  const remove: CredentialWriter["Type"]["remove"] = (tenant, options) =>
    locked(tenant, (held) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const present = yield* store.get(tenant)
        if (Option.isNone(present)) {
          yield* journal.dropAnswer(tenant)
          return { removed: false, revoked: { _tag: "None" } } satisfies Removal
        }
        const { credential } = present.value
        const record = yield* readOrReplace(tenant, now)
        const revoked = options.revoke
          ? yield* Effect.timeoutTo(endpoint.revoke(tenant, yield* newest(tenant, credential)), {
            duration: policy.revokeTimeout,
            onSuccess: (answer): RevokeAnswer => answer,
            onTimeout: () => RevokeAnswer.Failed({ detail: "the server did not answer in time" })
          })
          : { _tag: "None" } as const
        return yield* Effect.uninterruptible(Effect.gen(function*() {
          // Only the login that was revoked: one that another program stored meanwhile stays, also where that program
          // knows nothing of versions.
          const gone = yield* store.modify(tenant, (current) =>
            Option.exists(current, (one) =>
                one.version !== present.value.version ||
                !isSameSecret(one.credential.refreshToken, credential.refreshToken))
              ? Change.Keep({ value: false })
              : Change.Remove({ value: true }))
          if (!gone) {
            return yield* new CredentialStoreError({
              reason: "Superseded",
              location: store.location,
              detail: "another program stored a login meanwhile"
            })
          }
          yield* held.wrote
          yield* settle(tenant, record, {
            generation: credential.generation,
            outcome: "logout",
            from: fingerprintOf(credential),
            to: Option.none()
          })
          return { removed: true, revoked } satisfies Removal
        }))
      }))

  /** The tokens that are valid at the server: those of an answer that was never stored, where there is one. */
  const newest = (tenant: TenantId, credential: Credential): Effect.Effect<Credential> =>
    Effect.map(
      Effect.orElseSucceed(journal.keptAnswer(tenant), () => Option.none<RefreshJournal.CapturedAnswer>()),
      Option.match({
        onNone: () => credential,
        onSome: (answer) =>
          Option.contains(fingerprintOf(credential), answer.fingerprint)
            ? merge(credential, answer, credential.generation)
            : credential
      })
    )

  return CredentialWriter.of({ put, login, remove })
})

/**
 * Writes logins under the locks of the store, lock and journal that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  CredentialWriter,
  never,
  CredentialStore | CredentialLock | TokenEndpoint | RefreshJournal.RefreshJournal | RefreshPolicy | Host.Host
> = Layer.effect(CredentialWriter, make)
