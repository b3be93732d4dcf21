/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Credential from "./Credential.js"
import type { CredentialStoreError } from "./Errors.js"
import type { TenantId } from "./TenantId.js"

/**
 * Where credentials are read. Readers take no lock and see whole records only (I9).
 *
 * @since 0.1.0
 * @category services
 */
export class CredentialStore extends Context.Tag("@lockstep/core/CredentialStore")<CredentialStore, {
  /** What messages call this store: a path, or `keyring`. */
  readonly location: string

  /** Reads one record without any lock. Absent is `None`; damaged and unreachable are errors. */
  readonly get: (tenant: TenantId) => Effect.Effect<Option.Option<Credential.Stored>, CredentialStoreError>

  /** Names every tenant that has a record, without any lock. */
  readonly list: Effect.Effect<ReadonlyArray<TenantId>, CredentialStoreError>

  /**
   * A number that differs from an earlier one when the record of this tenant may have changed since. Makes no system
   * call while a proven watch is quiet, and else at most one `stat` every 250 ms.
   */
  readonly epoch: (tenant: TenantId) => number

  /**
   * Subscribes to changes of this tenant's record by any process. The subscription is live when the effect returns; it
   * lives as long as the scope.
   */
  readonly changes: (tenant: TenantId) => Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}>() {}
