/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Credential, Stored } from "./Credential.js"
import type { CredentialExists, CredentialStoreError, LockTimeout, LockUnavailable } from "./Errors.js"
import type { TenantId } from "./TenantId.js"
import type { RevokeAnswer } from "./TokenEndpoint.js"

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

  /** Revokes both tokens where the server can, bounded, then removes the record. Absent is fine. */
  readonly remove: (
    tenant: TenantId,
    options: { readonly revoke: boolean }
  ) => Effect.Effect<Removal, CredentialStoreError | LockTimeout | LockUnavailable>
}>() {}
