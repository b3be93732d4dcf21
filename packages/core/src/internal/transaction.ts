/**
 * What the steps of a refresh share: the services, the plan of one flight, and the small acts that none of them may fail
 * for.
 */
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Credential from "../Credential.js"
import type { CredentialLock } from "../CredentialLock.js"
import type { CredentialStore } from "../CredentialStore.js"
import * as Host from "../Host.js"
import * as LogFields from "../LogFields.js"
import type { CapturedAnswer, JournalRecord, RefreshJournal } from "../RefreshJournal.js"
import type { RefreshPolicy } from "../RefreshPolicy.js"
import type { TenantId } from "../TenantId.js"
import type { TokenEndpoint } from "../TokenEndpoint.js"
import { merge } from "./merge.js"
import type * as Wanted from "./wanted.js"

/** What a flight brought home. */
export interface Landed {
  readonly stored: Credential.Stored
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

export type Transaction = Services & ReturnType<typeof acts>

const acts = ({ afterwards, endpoint, host, journal, policy }: Services) => {
  const fingerprintOf = (credential: Credential.Credential): Option.Option<string> =>
    Option.map(Credential.presented(credential), (token) => Host.fingerprint(host, token))

  /** Journals what only explains: its failure must not take away what was achieved. `written` comes of a success only. */
  const writeBestEffort = (
    tenant: TenantId,
    record: JournalRecord,
    written: Effect.Effect<void> = Effect.void
  ): Effect.Effect<void> =>
    Effect.matchEffect(journal.write(tenant, record), {
      onSuccess: () => written,
      onFailure: (error) =>
        Effect.annotateLogs(
          Effect.logWarning(`the journal of ${tenant} could not be written`),
          LogFields.ofError(tenant, error)
        )
    })

  const dropAnswer = (tenant: TenantId): Effect.Effect<void> =>
    Effect.catchAll(
      journal.dropAnswer(tenant),
      (error) =>
        Effect.annotateLogs(
          Effect.logDebug(`the kept answer of ${tenant} could not be removed`),
          LogFields.ofError(tenant, error)
        )
    )

  const revoke = (tenant: TenantId, credential: Credential.Credential, answer: CapturedAnswer): Effect.Effect<void> =>
    afterwards(
      endpoint.revoke(tenant, merge(credential, answer, credential.generation)).pipe(
        Effect.disconnect,
        Effect.timeoutOption(policy.revokeTimeout),
        Effect.asVoid
      )
    )

  return { fingerprintOf, writeBestEffort, dropAnswer, revoke }
}

export const make = (services: Services): Transaction => ({ ...services, ...acts(services) })
