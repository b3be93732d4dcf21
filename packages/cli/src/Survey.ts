/**
 * What is known of every tenant: read without any lock, and without ever asking a server.
 *
 * @since 0.1.0
 */
import { type Account, presented } from "@lockstep/core/Credential"
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { type CredentialStoreError, type LockHolder, ReauthorizationRequired } from "@lockstep/core/Errors"
import * as Host from "@lockstep/core/Host"
import { nameOf, type Pending, PendingLogins } from "@lockstep/core/PendingLogins"
import { type Outcome, RefreshJournal } from "@lockstep/core/RefreshJournal"
import { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TenantId } from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import { CredentialSources } from "@lockstep/oauth/CredentialSources"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Standing from "./Standing.js"

/**
 * What is known of one tenant. Times are as stored: seconds in the credential, milliseconds in the journal.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tenant {
  readonly tenant: TenantId
  readonly standing: Standing.Standing
  readonly account: Option.Option<Account>
  readonly vendor: Option.Option<string>
  readonly issuer: Option.Option<string>
  /** RFC 8707: what its tokens are for. */
  readonly resource: Option.Option<string>
  readonly expiresAt: Option.Option<number>
  readonly loginExpiresAt: Option.Option<number>
  readonly generation: number
  readonly holder: Option.Option<LockHolder>
  readonly lastOutcome: Option.Option<Outcome>
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
  | CredentialLock
  | RefreshJournal
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
    const store = yield* CredentialStore
    const lock = yield* CredentialLock
    const journals = yield* RefreshJournal
    const host = yield* Host.Host
    const policy = yield* RefreshPolicy
    const endpoint = yield* TokenEndpoint
    const sources = yield* CredentialSources

    const stored = yield* store.get(tenant)
    if (Option.isNone(stored)) return yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
    const { credential } = stored.value
    const journal = yield* journals.read(tenant)
    const kept = yield* journals.keptAnswer(tenant)
    const holder = yield* lock.holder(LockTarget.Tenant({ tenant }))
    const now = yield* Clock.currentTimeMillis
    const fingerprint = Option.map(presented(credential), (token) => Host.fingerprint(host, token))
    const variables = yield* sources.environment(tenant)
    const traits = endpoint.traits(tenant, credential)
    const standing = Standing.judge({
      credential,
      journal,
      fingerprint,
      keptAttempt: kept.pipe(
        Option.filter((answer) => Option.contains(fingerprint, answer.fingerprint)),
        Option.map((answer) => answer.attempt)
      ),
      holder,
      rotates: traits.rotates,
      margin: Option.getOrElse(traits.margin, () => Duration.toMillis(policy.margin)),
      now
    })
    return {
      tenant,
      standing,
      account: credential.account,
      vendor: credential.vendor,
      issuer: credential.issuer,
      resource: credential.resource,
      expiresAt: credential.expiresAt,
      loginExpiresAt: credential.loginExpiresAt,
      generation: credential.generation,
      holder,
      lastOutcome: Option.fromNullable(journal.outcomes[0]),
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
): Effect.Effect<Lineage, CredentialStoreError | ReauthorizationRequired, RefreshJournal | CredentialStore> =>
  Effect.gen(function*() {
    const journals = yield* RefreshJournal
    const { outcomes } = yield* journals.read(tenant)
    if (outcomes.length > 0) return { tenant, outcomes }
    const store = yield* CredentialStore
    const stored = yield* store.get(tenant)
    return Option.isSome(stored)
      ? { tenant, outcomes }
      : yield* new ReauthorizationRequired({ tenant, reason: "NotFound" })
  })

/**
 * Reads who is in the middle of a login, in the order of their names. A damaged store is told by its tenants.
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
