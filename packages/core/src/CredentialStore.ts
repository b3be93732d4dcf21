/**
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Credential from "./Credential.js"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "./Errors.js"
import type { TenantId } from "./TenantId.js"

/**
 * What a compare-and-swap does with the record that it finds, and what it answers.
 *
 * @since 0.1.0
 * @category models
 */
export type Change<A> = Data.TaggedEnum<{
  /** Leave the record as it is. */
  Keep: { readonly value: A }
  /** Write this record. */
  Put: { readonly credential: Credential.Credential; readonly value: (stored: Credential.Stored) => A }
  /** Remove the record; nothing happens where there is none. */
  Remove: { readonly value: A }
}>

interface ChangeDefinition extends Data.TaggedEnum.WithGenerics<1> {
  readonly taggedEnum: Change<this["A"]>
}

/**
 * Constructors of {@link Change}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Change = Data.taggedEnum<ChangeDefinition>()

/**
 * Where credentials are kept. Readers take no lock and see whole records only.
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
   * Decides on the present record and carries the decision out as one atomic, durable step under the aggregate lock.
   *
   * `decide` is pure: it cannot reach the network, so the aggregate lock never spans a request. The effect succeeds
   * only after the change is durable (I3); when it fails, the record is what it was (I4). Everything that it does not
   * change is kept byte for byte (I11).
   */
  readonly modify: <A>(
    tenant: TenantId,
    decide: (current: Option.Option<Credential.Stored>) => Change<A>
  ) => Effect.Effect<A, CredentialStoreError | LockTimeout | LockUnavailable>

  /**
   * Finds out, before a refresh token is spent, whether a later `modify` of this tenant can succeed: that the store is
   * writable, unlocked, and this process may write it. Changes nothing that a reader sees.
   */
  readonly prepare: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError | LockUnavailable>

  /**
   * A number that differs from an earlier one when the store may have changed since. Makes no system call while a
   * proven watch is quiet, and else at most one `stat` every 250 ms.
   */
  readonly epoch: () => number

  /** Subscribes to changes by anybody. The subscription is live when the effect returns; it lives as long as the scope. */
  readonly changes: Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}>() {}

/**
 * Faults that the in-memory store shows on demand, for tests.
 *
 * @since 0.1.0
 * @category testing
 */
export interface MemoryFaults {
  readonly get?: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError>
  readonly modify?: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError | LockTimeout | LockUnavailable>
  readonly prepare?: (tenant: TenantId) => Effect.Effect<void, CredentialStoreError | LockUnavailable>
}

/**
 * Makes a store that lives in this process. Two coordinators that are given the same one behave like two processes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (faults: MemoryFaults = {}): Effect.Effect<CredentialStore["Type"]> =>
  Effect.gen(function*() {
    const records = new Map<TenantId, Credential.Stored>()
    const pubsub = yield* PubSub.sliding<void>(1)
    let writes = 0
    const changed = Effect.suspend(() => {
      writes++
      return PubSub.publish(pubsub, undefined)
    })
    const get = (tenant: TenantId) => Effect.sync(() => Option.fromNullable(records.get(tenant)))
    return CredentialStore.of({
      location: "memory",
      get: (tenant) => Effect.zipRight(faults.get?.(tenant) ?? Effect.void, get(tenant)),
      list: Effect.sync(() => [...records.keys()]),
      modify: (tenant, decide) =>
        Effect.zipRight(
          faults.modify?.(tenant) ?? Effect.void,
          Effect.flatMap(get(tenant), (current) => {
            const change = decide(current)
            switch (change._tag) {
              case "Keep":
                return Effect.succeed(change.value)
              case "Put": {
                const stored: Credential.Stored = {
                  credential: change.credential,
                  version: Credential.Version(String(change.credential.generation))
                }
                records.set(tenant, stored)
                return Effect.as(changed, change.value(stored))
              }
              case "Remove":
                records.delete(tenant)
                return Effect.as(changed, change.value)
            }
          })
        ).pipe(Effect.uninterruptible),
      prepare: (tenant) => faults.prepare?.(tenant) ?? Effect.void,
      epoch: () => writes,
      changes: PubSub.subscribe(pubsub)
    })
  })

/**
 * A store that lives in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<CredentialStore> = Layer.effect(CredentialStore, makeMemory())
