/**
 * Taking a login out of the store: the one that was revoked, and no other.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Credential, isSameSecret, type Stored } from "../Credential.js"
import type { CommitError, Evidence, Held } from "../Custody.js"
import { CredentialStoreError } from "../Errors.js"
import * as Metrics from "../Metrics.js"
import type { TenantId } from "../TenantId.js"
import type { RevokeAnswer } from "../TokenEndpoint.js"
import * as Trace from "../Trace.js"
import { Change } from "../WritableStore.js"
import * as Answer from "./answer.js"
import { detached } from "./detached.js"
import * as JournalChange from "./journalChange.js"
import type { Replacing } from "./replacing.js"

interface Removed {
  readonly removed: boolean
  readonly revoked: RevokeAnswer | typeof NOT_REVOKED
}

const NOT_REVOKED = { _tag: "None" } as const

export const make = (replacing: Replacing) => {
  const { custody, fingerprintOf, hold, readHeld, revoke, settlement, store, withoutAnswer } = replacing

  /** The tokens that are valid at the server: those of an answer that was never stored, where there is one. */
  const newest = ({ credential }: Stored, { kept }: Evidence): Credential =>
    Option.match(
      Option.filter(kept, ({ fingerprint }) => Option.contains(fingerprintOf(credential), fingerprint)),
      { onNone: () => credential, onSome: (answer) => Answer.merge(credential, answer, credential.generation) }
    )

  /** Removes the login that was revoked, and no other: one that another program stored meanwhile stays. */
  const erase = (tenant: TenantId, { credential, version }: Stored, evidence: Evidence, held: Held) =>
    Effect.gen(function*() {
      const { journal, now } = evidence
      // With the record goes the only place that knows its generation, where the journal missed the last write.
      if (journal.generation < credential.generation) {
        yield* held.note(JournalChange.update(journal, { generation: credential.generation }))
      }
      const { settled, value: gone } = yield* held.commit({
        act: "logout",
        // The token is compared, too, for programs that know nothing of versions.
        decide: (current) =>
          Option.exists(
              current,
              (one) => one.version !== version || !isSameSecret(one.credential.refreshToken, credential.refreshToken)
            )
            ? Change.Keep({ value: false })
            : Change.Remove({ value: true }),
        onDurable: (removed) => removed ? Metrics.loggedOut(tenant) : Effect.void,
        settle: (removed) =>
          removed
            ? Option.some(settlement(evidence, {
              at: now,
              generation: credential.generation,
              outcome: "logout",
              from: fingerprintOf(credential),
              to: Option.none()
            }))
            : Option.none()
      }).pipe(Trace.withSpan("lockstep.logout.remove"))
      if (!gone) {
        return yield* new CredentialStoreError({
          reason: "Superseded",
          location: custody.location,
          detail: "another program stored a login meanwhile"
        })
      }
      yield* settled
    })

  const remove = (
    tenant: TenantId,
    options: { readonly revoke: boolean }
  ): Effect.Effect<Removed, CommitError> =>
    Effect.flatMap(
      store.get(tenant),
      (hint) =>
        Effect.scoped(Effect.gen(function*() {
          const { held } = yield* hold(tenant, "logout", Option.map(hint, (stored) => stored.credential))
          const evidence = yield* readHeld(held)
          const present = evidence.stored
          if (Option.isNone(present)) {
            // The record may come back with a snapshot: what the answer proves of its token stays known.
            yield* held.discardUnreadable
            if (Option.isSome(evidence.kept)) {
              yield* held.note(withoutAnswer(evidence, evidence.journal.generation), { discard: true })
            }
            return { removed: false, revoked: NOT_REVOKED }
          }
          const revoked = options.revoke
            ? yield* Trace.withSpan(revoke(tenant, newest(present.value, evidence)), "lockstep.logout.revoke")
            : NOT_REVOKED
          yield* detached(erase(tenant, present.value, evidence, held))
          return { removed: true, revoked }
        }))
    ).pipe(
      Effect.tapError((error) => Metrics.logoutFailed(tenant, error)),
      Trace.withSpan("lockstep.logout", { attributes: { tenant } })
    )

  return { remove }
}
