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
  options: Omit<Home.Options, "store"> = {}
): Layer.Layer<
  LockedPorts.Ports | PendingLogins | ClientRegistrations,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy
> => {
  const parts = Layer.mergeAll(
    FileCredentialStore.layer,
    FilePendingLogins.layer,
    FileClientRegistrations.layer,
    FileRefreshJournal.layer,
    NodeHost.layer
  ).pipe(
    Layer.provideMerge(Layer.provide(FileLock.layer(options.trustLocks), HomeLockPaths.layer)),
    Layer.provideMerge(Home.layer({ ...options, store: "file" }))
  )
  return Layer.provideMerge(LockedPorts.custody, parts)
}
