/**
 * The only place where the services over a store are put together, for the command and for programs that await.
 *
 * @since 0.1.0
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { Custody } from "@lockstep/core/Custody"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { Host } from "@lockstep/core/Host"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import type * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import type { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import { Home } from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as ResolvedHome from "@lockstep/node/stores/ResolvedHome"
import type * as StoreChoice from "@lockstep/node/stores/StoreChoice"
import * as CredentialSources from "@lockstep/oauth/CredentialSources"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * Everything that works on the logins of a home.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | Home
  | ResolvedHome.NativeHome
  | StoreChoice.StoreChoice
  | CredentialStore
  | Custody
  | FileLock
  | Host
  | RefreshPolicy.RefreshPolicy
  | TokenEndpoint
  | PendingLogins
  | ClientRegistrations
  | RoundTripper
  | VendorRegistry.VendorRegistry
  | VendorSettings.VendorSettings
  | CredentialSources.CredentialSources
  | RefreshCoordinator.RefreshCoordinator
  | CredentialWriter.CredentialWriter

/**
 * Where the logins are. What is left out comes from the environment and from the home itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly home?: string | undefined
  readonly store?: string | undefined
}

// The node package knows the shape and not the service.
const settings: Layer.Layer<
  VendorSettings.VendorSettings,
  never,
  ResolvedHome.NativeHome | RefreshPolicy.RefreshPolicy
> = Layer.effect(
  VendorSettings.VendorSettings,
  Effect.flatMap(ResolvedHome.NativeHome, ({ home, lock }) =>
    FileVendorSettings.make.pipe(
      Effect.provideService(Home, home),
      Effect.provideService(FileLock, lock),
      Effect.map((made) => VendorSettings.VendorSettings.of(made))
    ))
)

// What it needs of Node is loaded by the first request that is really sent.
const network: Layer.Layer<RoundTripper> = Layer.effect(
  RoundTripper,
  Effect.map(NodeRoundTripper.make, ({ load }) => RoundTripper.of({ load }))
)

/**
 * The services over a store: nothing is opened, created, locked or asked before it is needed, save for the keyring where it
 * is to be found out whether there is one. A store may need longer bounds than another, so it is chosen before they are read.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  { home, store }: Options
): Layer.Layer<Services, ConfigError.ConfigError | CredentialStoreError> =>
  Layer.merge(RefreshCoordinator.layer, CredentialWriter.layer).pipe(
    Layer.provideMerge(Layer.merge(OAuthTokenEndpoint.layer, CredentialSources.layer)),
    Layer.provideMerge(Layer.mergeAll(settings, network, VendorRegistry.layerBuiltIn)),
    Layer.provideMerge(ResolvedHome.layerFromEnv({ store, home: { directory: home } }))
  )
