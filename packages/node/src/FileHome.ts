/**
 * Everything of a home whose store is the plain file, wired.
 *
 * @since 0.1.0
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import * as FileClientRegistrations from "./FileClientRegistrations.js"
import * as FileCredentialStore from "./FileCredentialStore.js"
import * as FilePendingLogins from "./FilePendingLogins.js"
import * as FileRefreshJournal from "./FileRefreshJournal.js"
import * as Home from "./Home.js"
import * as LockedPorts from "./LockedPorts.js"
import * as FileLock from "./locks/FileLock.js"
import * as HomeLockPaths from "./locks/HomeLockPaths.js"
import * as NodeHost from "./NodeHost.js"

type Options = Omit<Home.Options, "store">

const parts = (options: Options, inherited?: FileLock.Inherited) =>
  Layer.mergeAll(
    FileCredentialStore.layer,
    FileClientRegistrations.layer,
    FileRefreshJournal.layer,
    NodeHost.layer
  ).pipe(
    Layer.provideMerge(Layer.provide(FileLock.layer(options.trustLocks, inherited), HomeLockPaths.layer)),
    Layer.provideMerge(Home.layer({ ...options, store: "file" }))
  )

/**
 * The ports of the refresh transaction on this machine: `auth.json` with credentials and unfinished logins, its kernel locks
 * and its journals.
 *
 * Building it opens, creates and locks nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  LockedPorts.Ports | PendingLogins | ClientRegistrations,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy
> => Layer.provideMerge(LockedPorts.custody, Layer.provideMerge(FilePendingLogins.layer, parts(options)))

/**
 * The same without unfinished logins, for a process that only refreshes. A lock that it holds already is taken over by
 * its first hold of that tenant.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOfRefresh = (
  options: Options,
  inherited: FileLock.Inherited | undefined
): Layer.Layer<
  LockedPorts.Ports | ClientRegistrations,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy
> => Layer.provideMerge(LockedPorts.custody, parts(options, inherited))
