/**
 * One kind of store of a home, as data: everything that the rest of this package needs to know of it. A new kind is a
 * descriptor and one line in `Stores`.
 *
 * @since 0.1.0
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { Lease } from "@lockstep/core/CredentialLock"
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { Custody } from "@lockstep/core/Custody"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { Host } from "@lockstep/core/Host"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import type { CustodyLimits, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { ConfigError } from "effect/ConfigError"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Home, Options } from "../Home.js"
import type { StoreKind } from "../HomePin.js"
import type { Keyring } from "../keyring/Keyring.js"
import type { FileLock } from "../locks/FileLock.js"
import type { MoveSide } from "./MoveSide.js"

/**
 * What a store brings, beside the home that it belongs to and the locks of that home's files.
 *
 * @since 0.1.0
 * @category models
 */
export type StorePorts =
  | Home
  | FileLock
  | CredentialStore
  | Custody
  | PendingLogins
  | ClientRegistrations
  | Host

/**
 * One kind of store.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreDescriptor {
  /** How `--store`, the pin and messages call it. */
  readonly name: StoreKind

  /**
   * Whether it keeps the journals itself, and not in files of the home: then they move with the logins. Off.
   */
  readonly keepsJournals?: boolean

  /** What its custody adds to the bounds of a refresh. */
  readonly limits: Effect.Effect<CustodyLimits, ConfigError>

  /** Its ports. Building them opens, creates and locks nothing. */
  readonly ports: (
    options: Omit<Options, "store">
  ) => Layer.Layer<StorePorts, ConfigError | CredentialStoreError, RefreshPolicy>

  /** Opens it as one of the two stores of a move, under a lease of the home's aggregate lock. */
  readonly side: (
    lease: Lease
  ) => Effect.Effect<
    MoveSide,
    ConfigError | CredentialStoreError,
    Home | FileLock | RefreshPolicy | Keyring | Scope.Scope
  >
}
