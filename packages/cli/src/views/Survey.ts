/**
 * What is known of every tenant: read without any lock, and without ever asking a server.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as Demand from "@lockstep/core/Demand"
import { type CredentialStoreError, type LockHolder, ReauthorizationRequired } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import * as Host from "@lockstep/core/Host"
import { nameOf, type Pending, PendingLogins } from "@lockstep/core/PendingLogins"
import type { JournalRecord, Outcome } from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Verdict from "@lockstep/core/Verdict"
import { CredentialSources } from "@lockstep/oauth/CredentialSources"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as State from "./State.js"

/**
 * What is known of one tenant, and how it is judged. Times are as stored: seconds in the credential, milliseconds in the
 * journal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tenant extends State.Judged {
  readonly tenant: TenantId
  readonly state: State.State
  /** What was judged, for questions of a further kind. */
  readonly question: Omit<Verdict.Question, "demand">
  readonly credential: Credential
  readonly journal: JournalRecord
  /** Of the stored refresh token. */
  readonly fingerprint: Option.Option<string>
  readonly holder: Option.Option<LockHolder>
  /** The variables that come before this login, the winner first. */
  readonly shadowedBy: ReadonlyArray<string>
}

/**
 * What happened to one tenant, also after its logout. Newest first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lineage {
  readonly tenant: TenantId
  readonly outcomes: ReadonlyArray<Outcome>
}

/**
 * A tenant of which the record or the journal cannot be read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Damaged {
  readonly tenant: TenantId
  readonly error: CredentialStoreError
}

/**
 * The services that a survey reads.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | CredentialStore
  | Custody
  | Host.Host
  | RefreshPolicy
  | TokenEndpoint
  | CredentialSources

/**
 * Reads what is known of one tenant.
 *
 * @since 0.1.0
 * @category combinators
 */
export const one = (
  tenant: TenantId
): Effect.Effect<Tenant, CredentialStoreError | ReauthorizationRequired, Services> =>
  Effect.gen(function*() {
    const custody = yield* Custody
    const host = yield* Host.Host
    const policy = yield* RefreshPolicy
    const endpoint = yield* TokenEndpoint
    const sources = yield* CredentialSources

    const evidence = yield* custody.read(tenant)
    if (Option.isNone(evidence.stored)) return yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
    const { credential } = evidence.stored.value
    const question: Tenant["question"] = {
      evidence,
      policy,
      fingerprint: (one) => Fingerprint.ofCredential(host, one),
      traits: (one) => endpoint.traits(tenant, one)
    }
    const holder = yield* custody.holder(tenant)
    const variables = yield* sources.environment(tenant)
    const judged: State.Judged = {
      access: Verdict.of({ ...question, demand: Demand.make() }).access,
      refresh: Verdict.ofRefresh(question),
      isHeld: Option.isSome(holder)
    }
    return {
      ...judged,
      tenant,
      state: State.of(judged),
      question,
      credential,
      journal: evidence.journal,
      fingerprint: question.fingerprint(credential),
      holder,
      shadowedBy: variables.map(({ name }) => name)
    }
  })

/**
 * Reads what happened to one tenant.
 *
 * @since 0.1.0
 * @category combinators
 */
export const lineage = (
  tenant: TenantId
): Effect.Effect<Lineage, CredentialStoreError | ReauthorizationRequired, Custody> =>
  Effect.gen(function*() {
    const custody = yield* Custody
    const { journal: { outcomes }, stored } = yield* custody.read(tenant)
    return outcomes.length > 0 || Option.isSome(stored)
      ? { tenant, outcomes }
      : yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
  })

/**
 * Reads which logins are unfinished, in the order of their names. A damaged store is told by its tenants.
 *
 * @since 0.1.0
 * @category combinators
 */
export const pending = (
  only: Option.Option<TenantId>
): Effect.Effect<ReadonlyArray<Pending>, never, PendingLogins> =>
  Effect.gen(function*() {
    const logins = yield* PendingLogins
    const all = yield* Effect.orElseSucceed(logins.list, () => [])
    return all
      .filter(({ tenant }) => Option.isNone(only) || only.value === tenant)
      .sort((a, b) => nameOf(a) < nameOf(b) ? -1 : 1)
  })

/**
 * Asks about every tenant, or about the named one, in the order of their names. A damaged one hides no other.
 *
 * @since 0.1.0
 * @category combinators
 */
export const each = <A, R>(
  only: Option.Option<TenantId>,
  ask: (tenant: TenantId) => Effect.Effect<A, CredentialStoreError | ReauthorizationRequired, R>
): Effect.Effect<
  ReadonlyArray<Either.Either<A, Damaged>>,
  CredentialStoreError | ReauthorizationRequired,
  R | CredentialStore
> =>
  Effect.gen(function*() {
    if (Option.isSome(only)) return [Either.right(yield* ask(only.value))]
    const store = yield* CredentialStore
    const tenants = yield* store.list
    const answers = yield* Effect.forEach([...tenants].sort(), (tenant) =>
      Effect.matchEffect(ask(tenant), {
        onSuccess: (found) => Effect.succeed([Either.right(found)]),
        onFailure: (error): Effect.Effect<ReadonlyArray<Either.Either<A, Damaged>>> =>
          // Otherwise it was logged out since it was listed.
          Effect.succeed(error._tag === "CredentialStoreError" ? [Either.left({ tenant, error })] : [])
      }))
    return answers.flat()
  })
