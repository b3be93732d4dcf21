/**
 * What the steps of a refresh share: the services, the request of one refresh, and the small acts that no step may fail
 * for.
 */
import type * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Credential from "../../Credential.js"
import type { CredentialStore } from "../../CredentialStore.js"
import type { Custody, Held } from "../../Custody.js"
import type * as Demand from "../../Demand.js"
import type { RefreshError } from "../../Errors.js"
import * as Fingerprint from "../../Fingerprint.js"
import type * as Host from "../../Host.js"
import * as LogFields from "../../LogFields.js"
import type { CapturedAnswer, Intent, JournalRecord } from "../../RefreshJournal.js"
import type { RefreshPolicy } from "../../RefreshPolicy.js"
import type { TenantId } from "../../TenantId.js"
import type { PreparedRedemption, TokenEndpoint } from "../../TokenEndpoint.js"
import type * as UnderWay from "../../UnderWay.js"
import * as Answer from "../answer.js"

/** What a refresh obtained. */
export interface Obtained {
  readonly stored: Credential.Stored
  readonly by: "redeemed" | "adopted"
  readonly rotated: boolean
}

/** An answer that is in the memory of this process alone: never served, stored by the next refresh or at the end. */
export interface Unpersisted {
  readonly answer: CapturedAnswer
  /**
   * Tries to store it now, where a refresh of this process still holds the tenant for its sake. `None` of what that
   * obtains asks to begin again.
   */
  readonly retry: Option.Option<Effect.Effect<Option.Option<Obtained>, RefreshError>>
}

export interface Services {
  readonly store: CredentialStore["Type"]
  readonly custody: Custody["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly policy: RefreshPolicy["Type"]
  readonly host: Host.Host["Type"]
  readonly unpersisted: Map<TenantId, Unpersisted>
  readonly underWay: UnderWay.Register
  /** Completed when the service closes. */
  readonly closing: Deferred.Deferred<void>
  /** Runs what may happen after the tenant is released and has a bound of its own; the service waits for it at close. */
  readonly afterwards: (effect: Effect.Effect<void>) => Effect.Effect<void>
}

export interface Request {
  readonly tenant: TenantId
  readonly demand: Demand.Demand
  /** What was read before the lock. */
  readonly hint: Credential.Credential
  /** Runs when the refresh token is about to be sent. */
  readonly onSend: Effect.Effect<unknown>
  /** Shows a durable credential, or the error, to the callers of this process, while the refresh itself goes on. */
  readonly publish: (exit: Exit.Exit<Obtained, RefreshError>) => Effect.Effect<void>
}

/** One refresh token that is about to be sent, and what it is sent with. */
export interface Redemption {
  readonly stored: Credential.Stored
  readonly fingerprint: string
  readonly rotates: boolean
  readonly previous: Option.Option<Intent>
  readonly journal: JournalRecord
  readonly prepared: PreparedRedemption
  readonly held: Held
  /** Nanoseconds on the monotonic clock. */
  readonly deadline: bigint
}

export type Transaction = Services & ReturnType<typeof acts>

const acts = ({ afterwards, endpoint, host, policy }: Services) => {
  const fingerprintOf = (credential: Credential.Credential): Option.Option<string> =>
    Fingerprint.ofCredential(host, credential)

  /** Journals what only explains: its failure must not take away what was achieved. Tells whether it was written. */
  const noteBestEffort = (
    tenant: TenantId,
    held: Held,
    record: JournalRecord,
    options: { readonly discard?: boolean; readonly mustLast?: boolean } = {}
  ): Effect.Effect<boolean> =>
    Effect.matchEffect(held.note(record, options), {
      onSuccess: () => Effect.succeed(true),
      onFailure: (error) =>
        Effect.as(
          Effect.annotateLogs(
            Effect.logWarning(`the journal of ${tenant} could not be written`),
            LogFields.ofError(tenant, error)
          ),
          false
        )
    })

  const revoke = (tenant: TenantId, credential: Credential.Credential, answer: CapturedAnswer): Effect.Effect<void> =>
    afterwards(
      endpoint.revoke(tenant, Answer.merge(credential, answer, credential.generation)).pipe(
        Effect.disconnect,
        Effect.timeoutOption(policy.revokeTimeout),
        Effect.asVoid
      )
    )

  return { fingerprintOf, noteBestEffort, revoke }
}

export const make = (services: Services): Transaction => ({ ...services, ...acts(services) })
