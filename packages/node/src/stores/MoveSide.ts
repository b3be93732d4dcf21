/**
 * One of the two stores of a move, seen by the process that holds every lock: neither the pin nor a note that the logins
 * went elsewhere keeps it out.
 *
 * @since 0.1.0
 */
import type { Registration } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "@lockstep/core/Errors"
import type { Pending } from "@lockstep/core/PendingLogins"
import type { JournalRecord } from "@lockstep/core/RefreshJournal"
import type { TenantId } from "@lockstep/core/TenantId"
import type * as Effect from "effect/Effect"
import type { StoreKind } from "../HomePin.js"

/**
 * What a store holds that moves with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Content {
  readonly records: ReadonlyMap<TenantId, Credential>
  readonly pending: ReadonlyArray<Pending>
  readonly clients: ReadonlyArray<Registration>
  /** Also of tenants without a record, whose generations go on. Only where one of the two stores keeps them itself. */
  readonly journals?: ReadonlyMap<TenantId, JournalRecord>
}

/**
 * What writing one side of a move can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type MoveSideError = CredentialStoreError | LockTimeout | LockUnavailable

/**
 * One side of a move.
 *
 * @since 0.1.0
 * @category models
 */
export interface MoveSide {
  /** What messages call it. */
  readonly location: string

  /** Its credentials alone. */
  readonly records: Effect.Effect<Content["records"], CredentialStoreError>

  /** Everything that moves. */
  readonly content: Effect.Effect<Content, CredentialStoreError>

  /** Finds out whether it can be written at all. */
  readonly prepare: Effect.Effect<void, CredentialStoreError>

  /** Takes a content over, beside what it holds. Durable when it returns. */
  readonly take: (content: Content) => Effect.Effect<void, MoveSideError>

  /**
   * Gives up every credential, every unfinished login and every registration, and notes where they are. A side that has
   * nothing to give up is fine. `content` is what the other side has: where other hosts use a side, what they have changed
   * since is not taken from them.
   */
  readonly leave: (to: StoreKind, content: Content) => Effect.Effect<void, MoveSideError>
}
