/**
 * What is done after a backup was restored: the refresh tokens that came back may have been exchanged since, and to present
 * one that was ends the login that lives.
 *
 * Each login that is older than a moment is left as one whose request was sent twice and not answered: its access token is
 * served while it is good, an answer in the spool of a host that belongs to it is stored, and its refresh token is sent by a
 * person who accepts the risk, and by no process on its own. Servers that never rotate are not concerned.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody, type Held } from "@lockstep/core/Custody"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import { Host } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * What became of the logins.
 *
 * @since 0.1.0
 * @category models
 */
export interface Restored {
  /** No process sends these any more. */
  readonly distrusted: ReadonlyArray<TenantId>
  /** Newer than the moment, without a refresh token, or distrusted already. */
  readonly kept: ReadonlyArray<TenantId>
}

/** Sends after which only a person sends again. */
const SPENT = 2
const KEPT_OUTCOMES = 50

const distrust = (held: Held, before: number) =>
  Effect.gen(function*() {
    const host = yield* Host
    const { journal, now, stored } = yield* held.read()
    if (Option.isNone(stored)) return false
    const { credential, version } = stored.value
    const fingerprint = Fingerprint.ofCredential(host, credential)
    const isNewer = Option.exists(credential.obtainedAt, (at) => at * 1_000 >= before)
    if (Option.isNone(fingerprint) || isNewer) return false
    const isSpent = Option.exists(
      journal.intent,
      (intent) => intent.fingerprint === fingerprint.value && intent.sends >= SPENT
    )
    if (isSpent) return false
    yield* held.note(RefreshJournal.JournalRecord.make({
      ...journal,
      intent: Option.some(RefreshJournal.Intent.make({
        attempt: yield* host.newId,
        version,
        fingerprint: fingerprint.value,
        state: "sending",
        sends: SPENT,
        ambiguous: false,
        at: now,
        endedAt: Option.some(now),
        by: host.self
      })),
      outcomes: [
        RefreshJournal.Outcome.make({
          at: now,
          outcome: "restored",
          detail: Option.some("a backup was restored; this token may have been exchanged since it was made"),
          pid: host.self.pid,
          command: host.self.command,
          from: fingerprint,
          to: Option.none(),
          took: Option.none(),
          generation: credential.generation
        }),
        ...journal.outcomes
      ].slice(0, KEPT_OUTCOMES)
    }))
    return true
  })

/**
 * Takes the trust from every login that was obtained before a moment, in milliseconds since the epoch. Each is held for as long
 * as that takes. It may be run again: what is done is left as it is.
 *
 * @since 0.1.0
 * @category combinators
 */
export const restored = (
  before: number
): Effect.Effect<
  Restored,
  CredentialStoreError | LockTimeout | LockUnavailable,
  CredentialStore | Custody | Host | RefreshPolicy
> =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const custody = yield* Custody
    const { lockTimeout } = yield* RefreshPolicy
    const distrusted: Array<TenantId> = []
    const kept: Array<TenantId> = []
    for (const tenant of [...yield* store.list].sort()) {
      const isDistrusted = yield* Effect.scoped(
        Effect.flatMap(
          custody.hold(tenant, { timeout: lockTimeout }),
          (hold) => hold._tag === "Held" ? distrust(hold.held, before) : Effect.succeed(false)
        )
      )
      ;(isDistrusted ? distrusted : kept).push(tenant)
    }
    return { distrusted, kept }
  })
