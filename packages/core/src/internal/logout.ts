/**
 * Taking a login out of the store: the one that was revoked, and no other.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Credential, isSameSecret, type Stored } from "../Credential.js"
import { Change } from "../CredentialStore.js"
import { CredentialStoreError } from "../Errors.js"
import type { HeldLock } from "../LockWait.js"
import * as Metrics from "../Metrics.js"
import type { JournalRecord } from "../RefreshJournal.js"
import type { TenantId } from "../TenantId.js"
import type { RevokeAnswer } from "../TokenEndpoint.js"
import { detached } from "./detached.js"
import * as Ledger from "./ledger.js"
import { merge } from "./merge.js"
import type { NotPersisted } from "./persistence.js"
import type { Writing } from "./writing.js"

interface Removed {
  readonly removed: boolean
  readonly revoked: RevokeAnswer | typeof NOT_REVOKED
}

const NOT_REVOKED = { _tag: "None" } as const

export const make = (writing: Writing) => {
  const { fingerprintOf, journal, keptAnswer, locked, readOrReplace, revoke, settle, store } = writing

  /** The tokens that are valid at the server: those of an answer that was never stored, where there is one. */
  const newest = (tenant: TenantId, credential: Credential): Effect.Effect<Credential> =>
    Effect.map(
      keptAnswer(tenant),
      Option.match({
        onNone: () => credential,
        onSome: (answer) =>
          Option.contains(fingerprintOf(credential), answer.fingerprint)
            ? merge(credential, answer, credential.generation)
            : credential
      })
    )

  /** Removes the login that was revoked, and no other: one that another program stored meanwhile stays. */
  const erase = (tenant: TenantId, { credential, version }: Stored, record: JournalRecord, held: HeldLock) =>
    Effect.gen(function*() {
      // With the record goes the only place that knows its generation, where the journal missed the last write.
      if (record.generation < credential.generation) {
        yield* journal.write(tenant, Ledger.update(record, { generation: credential.generation }))
      }
      // By its token, too, for programs that know nothing of versions.
      const gone = yield* store.modify(
        tenant,
        (current) =>
          Option.exists(
              current,
              (one) => one.version !== version || !isSameSecret(one.credential.refreshToken, credential.refreshToken)
            )
            ? Change.Keep({ value: false })
            : Change.Remove({ value: true })
      ).pipe(Effect.withSpan("lockstep.logout.remove"))
      if (!gone) {
        return yield* new CredentialStoreError({
          reason: "Superseded",
          location: store.location,
          detail: "another program stored a login meanwhile"
        })
      }
      yield* held.wrote
      yield* Metrics.loggedOut(tenant)
      yield* settle(tenant, record, {
        generation: credential.generation,
        outcome: "logout",
        from: fingerprintOf(credential),
        to: Option.none()
      }).pipe(Effect.withSpan("lockstep.logout.settle"))
    })

  const remove = (
    tenant: TenantId,
    options: { readonly revoke: boolean }
  ): Effect.Effect<Removed, NotPersisted> =>
    Effect.flatMap(
      store.get(tenant),
      (hint) =>
        locked(tenant, Option.map(hint, (stored) => stored.credential), (held) =>
          Effect.gen(function*() {
            const present = yield* store.get(tenant)
            if (Option.isNone(present)) {
              yield* journal.dropAnswer(tenant)
              return { removed: false, revoked: NOT_REVOKED }
            }
            const record = yield* readOrReplace(tenant)
            const revoked = options.revoke
              ? yield* newest(tenant, present.value.credential).pipe(
                Effect.flatMap((credential) => revoke(tenant, credential)),
                Effect.withSpan("lockstep.logout.revoke")
              )
              : NOT_REVOKED
            yield* detached(erase(tenant, present.value, record, held))
            return { removed: true, revoked }
          }))
    ).pipe(
      Effect.tapError((error) => Metrics.logoutFailed(tenant, error)),
      Effect.withSpan("lockstep.logout", { attributes: { tenant } })
    )

  return { remove }
}
