/**
 * Everything of a home whose store is encrypted at rest, wired.
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
import * as FileCredentialStore from "../FileCredentialStore.js"
import * as FilePendingLogins from "../FilePendingLogins.js"
import * as FileRefreshJournal from "../FileRefreshJournal.js"
import * as Home from "../Home.js"
import type { Keyring } from "../keyring/Keyring.js"
import * as LockedPorts from "../LockedPorts.js"
import * as FileLock from "../locks/FileLock.js"
import * as HomeLockPaths from "../locks/HomeLockPaths.js"
import * as NodeHost from "../NodeHost.js"
import * as SealedEnvelope from "./SealedEnvelope.js"
import type { SealingKeys } from "./SealingKeys.js"
import * as SecretsKeys from "./SecretsKeys.js"

/**
 * The ports of the refresh transaction on this machine: credentials and unfinished logins in `auth.json.sealed`, answers
 * sealed like it, kernel locks, and journals without a secret.
 *
 * Building it opens, creates and locks nothing, and asks no keyring.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Omit<Home.Options, "store"> = {}
): Layer.Layer<
  LockedPorts.Ports | PendingLogins | ClientRegistrations | SealingKeys,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy | Keyring
> => {
  const parts = Layer.mergeAll(
    FileCredentialStore.layerOfAuthFile,
    FilePendingLogins.layerOfAuthFile,
    FileClientRegistrations.layerOfAuthFile,
    FileRefreshJournal.layerSealed,
    NodeHost.layer
  ).pipe(
    Layer.provide(AuthFile.layerOf((home) => `${home.file}.sealed`)),
    Layer.provide(SealedEnvelope.layer),
    Layer.provideMerge(SecretsKeys.layer),
    Layer.provideMerge(Layer.provide(FileLock.layer(options.trustLocks), HomeLockPaths.layer)),
    Layer.provideMerge(Home.layer({ ...options, store: "secrets" }))
  )
  return Layer.provideMerge(LockedPorts.custody, parts)
}
