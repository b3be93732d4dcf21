/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type { Credential, Stored } from "./Credential.js"
import { CredentialStore } from "./CredentialStore.js"
import { Custody } from "./Custody.js"
import type { CredentialExists, CredentialStoreError, LockTimeout, LockUnavailable } from "./Errors.js"
import * as Host from "./Host.js"
import * as LoginTransaction from "./internal/login.js"
import * as LogoutTransaction from "./internal/logout.js"
import * as Replacing from "./internal/replacing.js"
import type { JournalRecord } from "./RefreshJournal.js"
import { RefreshPolicy } from "./RefreshPolicy.js"
import type { TenantId } from "./TenantId.js"
import { type RevokeAnswer, TokenEndpoint } from "./TokenEndpoint.js"
import * as UnderWay from "./UnderWay.js"

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
   * Stores a new login. A live login of this tenant, or one of another account, is replaced only on `replace`, and by a
   * refresh token that is known to be exchanged already not even then: `CredentialStoreError(Superseded)`. `note` names the act in the tenant's history: `import`, `login`.
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
   * to be replaced, it does not run. Once it runs, an interruption of the caller waits for it and for the write; it has
   * bounds of its own. What it brings and no store will take is revoked, since no other process knows of it.
   * A login of another account replaces what is there; `replaced` tells.
   *
   * `replace` is asked under the tenant's lock, and again within the compare-and-swap, about the record that is there:
   * by the record and the journal one can tell a login that was refreshed since from another login.
   */
  readonly login: <E, R>(
    tenant: TenantId,
    obtain: Effect.Effect<Credential, E, R>,
    options: {
      readonly replace: boolean | ((present: Stored, journal: JournalRecord) => boolean)
      /**
       * What is known of the login before it is there: vendor, issuer, token endpoint, client. Names the group of logins
       * that revoke each other. The present record, where nothing is said.
       */
      readonly like?: Credential
    }
  ) => Effect.Effect<Login, E | CredentialExists | CredentialStoreError | LockTimeout | LockUnavailable, R>

  /** Revokes both tokens where the server can, bounded, then removes the record. Absent is fine. */
  readonly remove: (
    tenant: TenantId,
    options: { readonly revoke: boolean }
  ) => Effect.Effect<Removal, CredentialStoreError | LockTimeout | LockUnavailable>

  /** The logins and logouts of this process that hold their tenant. */
  readonly underWay: UnderWay.UnderWay
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
  CredentialStore | Custody | TokenEndpoint | RefreshPolicy | Host.Host
> = Effect.gen(function*() {
  const underWay = UnderWay.make()
  const replacing = Replacing.make({
    store: yield* CredentialStore,
    custody: yield* Custody,
    endpoint: yield* TokenEndpoint,
    policy: yield* RefreshPolicy,
    host: yield* Host.Host,
    underWay
  })
  return CredentialWriter.of({ ...LoginTransaction.make(replacing), ...LogoutTransaction.make(replacing), underWay })
})

/**
 * Writes logins through the custody that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  CredentialWriter,
  never,
  CredentialStore | Custody | TokenEndpoint | RefreshPolicy | Host.Host
> = Layer.effect(CredentialWriter, make)
