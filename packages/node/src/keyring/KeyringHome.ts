/**
 * Everything of a home whose store is the keyring, wired.
 *
 * @since 0.1.0
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import * as AuthFile from "../AuthFile.js"
import * as FileClientRegistrations from "../FileClientRegistrations.js"
import * as FilePendingLogins from "../FilePendingLogins.js"
import * as FileRefreshJournal from "../FileRefreshJournal.js"
import * as Home from "../Home.js"
import * as LockedPorts from "../LockedPorts.js"
import * as FileLock from "../locks/FileLock.js"
import * as HomeLockPaths from "../locks/HomeLockPaths.js"
import * as NodeHost from "../NodeHost.js"
import * as SealedEnvelope from "../secrets/SealedEnvelope.js"
import type { Keyring } from "./Keyring.js"
import * as KeyringCredentialStore from "./KeyringCredentialStore.js"
import * as KeyringKeys from "./KeyringKeys.js"

/** What has no place in a keyring, because it is large or short-lived, is sealed with a key that is in there. */
const sealed = Layer.merge(
  Layer.merge(FilePendingLogins.layerOfAuthFile, FileClientRegistrations.layerOfAuthFile).pipe(
    Layer.provide(AuthFile.layerOf((home) => `${home.file}.pending.sealed`))
  ),
  FileRefreshJournal.layerSealed
).pipe(
  Layer.provide(SealedEnvelope.layer),
  Layer.provide(KeyringKeys.layer)
)

/**
 * The ports of the refresh transaction on this machine: credentials in the keyring, unfinished logins and kept answers
 * sealed with a key from there, kernel locks and journals in the home.
 *
 * Building it opens, creates and locks nothing, and asks the keyring nothing. Fails with a `ConfigError` where the bounds
 * of a refresh leave no time for the keyring.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Omit<Home.Options, "store"> = {}
): Layer.Layer<
  LockedPorts.Ports | PendingLogins | ClientRegistrations,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy | Keyring
> => {
  const parts = Layer.mergeAll(KeyringCredentialStore.layer, sealed, NodeHost.layer).pipe(
    Layer.provideMerge(Layer.provide(FileLock.layer(options.trustLocks), HomeLockPaths.layer)),
    Layer.provideMerge(Home.layer({ ...options, store: "keyring" }))
  )
  return Layer.provideMerge(LockedPorts.custody, parts)
}
