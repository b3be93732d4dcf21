/**
 * What the locks of a directory serialise: what every lock of credentials does, and the writes of the store.
 *
 * @since 0.1.0
 */
import type * as CredentialLock from "@lockstep/core/CredentialLock"
import * as Data from "effect/Data"

/**
 * `Aggregate` guards one read-modify-write of the store and is never held across the network. It is taken last: no
 * process waits for any other lock while it holds this one.
 *
 * @since 0.1.0
 * @category models
 */
export type LockTarget = CredentialLock.LockTarget | Data.TaggedEnum<{ Aggregate: {} }>

/**
 * Constructors of {@link LockTarget}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const LockTarget = Data.taggedEnum<LockTarget>()
