/**
 * What logins and logouts share: the locks of a refresh in the order of a refresh, and what is left in the journal once
 * the store has what was done.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Credential, presented } from "../Credential.js"
import { type CredentialLock, LockTarget } from "../CredentialLock.js"
import type { CredentialStore } from "../CredentialStore.js"
import type { CredentialStoreError } from "../Errors.js"
import * as Host from "../Host.js"
import * as LockWait from "../LockWait.js"
import * as RefreshJournal from "../RefreshJournal.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { TenantId } from "../TenantId.js"
import { RevokeAnswer, type TokenEndpoint } from "../TokenEndpoint.js"
import * as Ledger from "./ledger.js"

export interface Services {
  readonly store: CredentialStore["Type"]
  readonly lock: CredentialLock["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly journal: RefreshJournal.RefreshJournal["Type"]
  readonly policy: RefreshPolicy["Type"]
  readonly host: Host.Host["Type"]
}

export interface Settlement {
  readonly generation: number
  /** `login`, `logout`, `import`. */
  readonly outcome: string
  /** Fingerprints of the refresh token that was there, and of the one that took its place. */
  readonly from: Option.Option<string>
  readonly to: Option.Option<string>
}

export type Writing = Services & ReturnType<typeof acts>

/** A token that may have been consumed must not come back with a restored file once its intent is gone. */
const retireIntent = (record: RefreshJournal.JournalRecord, generation: number, now: number) =>
  Option.match(record.intent, {
    onNone: () => record,
    onSome: (intent) => Ledger.retire(record, intent.fingerprint, generation, now)
  })

const acts = ({ endpoint, host, journal, lock, policy }: Services) => {
  const fingerprintOf = (credential: Credential) =>
    Option.map(presented(credential), (token) => Host.fingerprint(host, token))

  /** The locks of a refresh in the order of a refresh. A group is known from a hint, before any lock. */
  const locked = <A, E, R>(
    tenant: TenantId,
    hint: Option.Option<Credential>,
    effect: (held: LockWait.HeldLock) => Effect.Effect<A, E, R>
  ) => {
    const take = (target: LockTarget) => LockWait.acquire(lock, target, { timeout: policy.lockTimeout, label: tenant })
    const group = Option.flatMap(hint, (credential) => endpoint.traits(tenant, credential).rotationGroup)
    return Effect.scoped(Effect.gen(function*() {
      if (Option.isSome(group)) yield* take(LockTarget.RotationGroup({ group: group.value }))
      return yield* effect(yield* take(LockTarget.Tenant({ tenant })))
    }))
  }

  /** Asks the server to revoke, for so long and no longer. */
  const revoke = (tenant: TenantId, credential: Credential): Effect.Effect<RevokeAnswer> =>
    endpoint.revoke(tenant, credential).pipe(
      Effect.disconnect,
      Effect.timeoutTo({
        duration: policy.revokeTimeout,
        onSuccess: (answer): RevokeAnswer => answer,
        onTimeout: () => RevokeAnswer.Failed({ detail: "the server did not answer in time" })
      })
    )

  /** Reads the answer that was never stored. One that cannot be read keeps nobody from logging in or out. */
  const keptAnswer = (tenant: TenantId) =>
    Effect.orElseSucceed(journal.keptAnswer(tenant), () => Option.none<RefreshJournal.CapturedAnswer>())

  /**
   * Reads the journal, or starts a new one in place of a damaged one: a new login must not be kept out by it. Its
   * generations then count from the time of day, which no count of changes has ever reached.
   */
  const readOrReplace = (tenant: TenantId): Effect.Effect<RefreshJournal.JournalRecord, CredentialStoreError> =>
    Effect.catchIf(
      journal.read(tenant),
      (error) => error.reason === "Decode",
      () =>
        Effect.map(
          Clock.currentTimeMillis,
          (now) => Ledger.update(RefreshJournal.empty(tenant), { generation: Math.floor(now / 1_000) })
        )
    )

  /** Notes the act, clears what stood against the token that was there, and removes its kept answer, in this order. */
  const settle = (
    tenant: TenantId,
    record: RefreshJournal.JournalRecord,
    { from, generation, outcome, to }: Settlement
  ): Effect.Effect<void, CredentialStoreError> =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      // The same refresh token again is no new login: what is known of it stays known.
      const isSameToken = Option.isSome(to) && Option.getOrNull(from) === to.value
      const settled = isSameToken
        ? Ledger.update(record, { generation })
        : Ledger.clear(retireIntent(record, generation, at), generation)
      const noted = Ledger.note(settled, host.self, {
        at,
        outcome,
        from: Option.getOrUndefined(from),
        to: Option.getOrUndefined(to)
      })
      return Effect.zipRight(
        journal.write(tenant, noted),
        isSameToken ? Effect.void : journal.dropAnswer(tenant)
      )
    })

  return { fingerprintOf, locked, revoke, keptAnswer, readOrReplace, settle }
}

export const make = (services: Services): Writing => ({ ...services, ...acts(services) })
