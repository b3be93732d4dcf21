/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as Credential from "./Credential.js"
import type { CredentialStoreError } from "./Errors.js"
import type { TenantId } from "./TenantId.js"

/**
 * A subscription without a fiber: it is live when this returns, calls back until it is ended, and returns how to end it.
 *
 * @since 0.1.0
 * @category models
 */
export type Listen = (callback: () => void) => () => void

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

  /**
   * Calls back on changes of this tenant's record by any process, for a waiter that has no use for a fiber: it is called
   * once per change, and costs what the call costs.
   */
  readonly listen: (tenant: TenantId, callback: () => void) => () => void
}>() {}

/**
 * Makes a queue of what calls back, for the rest of the scope. Several calls that were not taken yet are one.
 *
 * @since 0.1.0
 * @category combinators
 */
export const queued = (listen: Listen): Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const queue = yield* Effect.acquireRelease(Queue.sliding<void>(1), Queue.shutdown)
    yield* Effect.acquireRelease(
      Effect.sync(() => listen(() => void queue.unsafeOffer(undefined))),
      (end) => Effect.sync(end)
    )
    return queue
  })
