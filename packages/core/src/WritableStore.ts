/**
 * A store that is written under a lock, record by record: what the custody of files and keyrings is made of.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Credential from "./Credential.js"
import type { Lease } from "./CredentialLock.js"
import { CredentialStore } from "./CredentialStore.js"
import type { CredentialStoreError, LockTimeout, LockUnavailable } from "./Errors.js"
import * as TenantSignals from "./internal/tenantSignals.js"
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
  /** Remove the record; nothing happens where it is absent. */
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
 * What a write needs to know of its writer.
 *
 * @since 0.1.0
 * @category models
 */
export interface WriteOptions {
  /** The lock that the writer holds already: a lock of its that serves the write, too, is not taken twice. */
  readonly within?: Lease
}

/**
 * Reads and writes credentials.
 *
 * @since 0.1.0
 * @category services
 */
export class WritableStore extends Context.Tag("@lockstep/core/WritableStore")<
  WritableStore,
  CredentialStore["Type"] & {
    /**
     * Decides on the present record and carries the decision out as one atomic, durable step that excludes every other
     * writer of the store.
     *
     * `decide` is pure: it cannot reach the network, so no writer of another tenant waits for a request. The effect
     * succeeds only after the change is durable (I3); when it fails, the record is what it was (I4). Everything that it
     * does not change is kept byte for byte (I11).
     */
    readonly modify: <A>(
      tenant: TenantId,
      decide: (current: Option.Option<Credential.Stored>) => Change<A>,
      options?: WriteOptions
    ) => Effect.Effect<A, CredentialStoreError | LockTimeout | LockUnavailable>

    /**
     * Finds out, before a refresh token is spent, whether a later `modify` of this tenant can succeed: that the store is
     * writable, unlocked, and this process may write it. Changes nothing that a reader sees.
     */
    readonly prepare: (
      tenant: TenantId,
      options?: WriteOptions
    ) => Effect.Effect<void, CredentialStoreError | LockUnavailable>
  }
>() {}

/**
 * The reading half of the store that it is given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerReader: Layer.Layer<CredentialStore, never, WritableStore> = Layer.effect(
  CredentialStore,
  WritableStore
)

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
export const makeMemory = (faults: MemoryFaults = {}): Effect.Effect<WritableStore["Type"]> =>
  Effect.sync(() => {
    const records = new Map<TenantId, Credential.Stored>()
    const signals = TenantSignals.make()
    const get = (tenant: TenantId) => Effect.sync(() => Option.fromNullable(records.get(tenant)))
    return WritableStore.of({
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
                return Effect.as(signals.touch(tenant), change.value(stored))
              }
              case "Remove":
                records.delete(tenant)
                return Effect.as(signals.touch(tenant), change.value)
            }
          })
        ).pipe(Effect.uninterruptible),
      prepare: (tenant) => faults.prepare?.(tenant) ?? Effect.void,
      epoch: signals.epoch,
      changes: signals.changes,
      listen: signals.listen
    })
  })

/**
 * A store that lives in this process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<WritableStore | CredentialStore> = Layer.provideMerge(
  layerReader,
  Layer.effect(WritableStore, makeMemory())
)
