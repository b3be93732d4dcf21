/**
 * What a store brings that is guarded by locks in a directory: its parts, and the custody that is made of them.
 *
 * @since 0.1.0
 */
import type { CredentialLock } from "@lockstep/core/CredentialLock"
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { Custody } from "@lockstep/core/Custody"
import type { Host } from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import type { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as WritableStore from "@lockstep/core/WritableStore"
import * as Layer from "effect/Layer"
import type { Home } from "./Home.js"
import type { FileLock } from "./locks/FileLock.js"

/**
 * The parts.
 *
 * @since 0.1.0
 * @category models
 */
export type Parts = Home | FileLock | CredentialLock | WritableStore.WritableStore | RefreshJournal | Host

/**
 * The parts and what is made of them.
 *
 * @since 0.1.0
 * @category models
 */
export type Ports = Parts | CredentialStore | Custody

/**
 * The reader of the store and its custody, made of the parts.
 *
 * @since 0.1.0
 * @category layers
 */
export const custody: Layer.Layer<
  CredentialStore | Custody,
  never,
  CredentialLock | WritableStore.WritableStore | RefreshJournal
> = Layer.merge(LockedCustody.layer, WritableStore.layerReader)
