/**
 * The only place where the command's services are put together.
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
import * as UnderWay from "@lockstep/core/UnderWay"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import { Home } from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as ResolvedHome from "@lockstep/node/stores/ResolvedHome"
import * as StoreChoice from "@lockstep/node/stores/StoreChoice"
import * as CredentialSources from "@lockstep/oauth/CredentialSources"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Background from "./Background.js"
import * as FleetStore from "./FleetStore.js"
import type { Output } from "./Output.js"
import * as Question from "./Question.js"
import { Signals } from "./Signals.js"
import * as Stdin from "./Stdin.js"

/**
 * The global options.
 *
 * @since 0.1.0
 * @category models
 */
export interface Globals {
  readonly home: Option.Option<string>
  readonly store: Option.Option<string>
}

/**
 * Everything that a command may ask for.
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
  | Background.Background
  | Question.Question
  | Stdin.Stdin

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

/** Signals wait for what these services do with a tenant in their hands. */
const watched: Layer.Layer<
  never,
  never,
  RefreshCoordinator.RefreshCoordinator | CredentialWriter.CredentialWriter | Signals
> = Layer.effectDiscard(
  Effect.flatMap(
    Effect.all([Signals, RefreshCoordinator.RefreshCoordinator, CredentialWriter.CredentialWriter]),
    ([signals, coordinator, writer]) => signals.watch(UnderWay.all([coordinator.underWay, writer.underWay]))
  )
)

/** Answers that wait in the spool of this host are brought home while a command runs. */
const homecoming: Layer.Layer<never, never, RefreshCoordinator.RefreshCoordinator | StoreChoice.StoreChoice> = Layer
  .unwrapEffect(
    Effect.map(StoreChoice.StoreChoice, ({ name }) =>
      name === FleetStore.store.name
        ? Layer.unwrapEffect(Effect.gen(function*() {
          const { Homecoming, PostgresSession, Spool } = yield* Effect.promise(() => import("./Fleet.js"))
          const session = yield* Effect.serviceOption(PostgresSession.PostgresSession)
          const spool = yield* Effect.serviceOption(Spool.Spool)
          return Option.isSome(session) && Option.isSome(spool)
            ? Homecoming.layer.pipe(
              Layer.provide(Layer.succeed(PostgresSession.PostgresSession, session.value)),
              Layer.provide(Layer.succeed(Spool.Spool, spool.value))
            )
            : Layer.empty
        }))
        : Layer.empty)
  )

// A store may need longer bounds than another, so it is chosen before they are read.
/**
 * The services over the store of this process: nothing is opened, created, locked or asked before a command needs it, save
 * for the keyring where it is to be found out whether there is one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  globals: Globals
): Layer.Layer<Services, ConfigError.ConfigError | CredentialStoreError, Output | Signals> => {
  const home = { directory: Option.getOrUndefined(globals.home) }
  return Layer.mergeAll(
    Layer.provideMerge(Layer.merge(watched, homecoming), Layer.merge(RefreshCoordinator.layer, CredentialWriter.layer)),
    Background.layer,
    Question.layer,
    Stdin.layer
  ).pipe(
    Layer.provideMerge(Layer.merge(OAuthTokenEndpoint.layer, CredentialSources.layer)),
    Layer.provideMerge(Layer.mergeAll(settings, network, VendorRegistry.layerBuiltIn)),
    Layer.provideMerge(ResolvedHome.layerFromEnv({ store: Option.getOrUndefined(globals.store), home })),
    Layer.provideMerge(FleetStore.layer)
  )
}

/**
 * The global options as another run of this command needs them.
 *
 * @since 0.1.0
 * @category getters
 */
export const toArguments = (globals: Globals): ReadonlyArray<string> => [
  ...Option.match(globals.home, { onNone: () => [], onSome: (home) => ["--home", home] }),
  ...Option.match(globals.store, { onNone: () => [], onSome: (store) => ["--store", store] })
]
