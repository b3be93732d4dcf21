/**
 * Everything of a home whose store is the plain file, wired.
 *
 * @since 0.1.0
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { CredentialLock } from "@lockstep/core/CredentialLock"
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { Host } from "@lockstep/core/Host"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import type { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import * as FileClientRegistrations from "./FileClientRegistrations.js"
import * as FileCredentialStore from "./FileCredentialStore.js"
import * as FilePendingLogins from "./FilePendingLogins.js"
import * as FileRefreshJournal from "./FileRefreshJournal.js"
import * as Home from "./Home.js"
import * as FileCredentialLock from "./locks/FileCredentialLock.js"
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
  Home.Home | CredentialStore | CredentialLock | RefreshJournal | PendingLogins | ClientRegistrations | Host,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy
> => {
  const lock = FileCredentialLock.layerTrusting(options.trustLocks)
  return Layer.mergeAll(
    FileCredentialStore.layer,
    FilePendingLogins.layer,
    FileClientRegistrations.layer,
    FileRefreshJournal.layer,
    NodeHost.layer
  ).pipe(
    Layer.provideMerge(Layer.provide(lock, HomeLockPaths.layer)),
    Layer.provideMerge(Home.layer({ ...options, store: "file" }))
  )
}
