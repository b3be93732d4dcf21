/**
 * The services of a command that only looks at the logins of a home.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import { Home } from "@lockstep/node/Home"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import { ForeignStores } from "@lockstep/node/stores/ForeignStores"
import * as ResolvedHome from "@lockstep/node/stores/ResolvedHome"
import type * as StoreChoice from "@lockstep/node/stores/StoreChoice"
import { StoreKinds } from "@lockstep/node/stores/Stores"
import * as CredentialSources from "@lockstep/oauth/CredentialSources"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import * as ToolStores from "@lockstep/tools/ToolStores"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FleetStore from "./FleetStore.js"

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
 * Everything that a command may look at.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | ResolvedHome.Ports
  | StoreChoice.StoreChoice
  | RefreshPolicy
  | TokenEndpoint
  | RoundTripper
  | VendorRegistry.VendorRegistry
  | VendorSettings.VendorSettings
  | CredentialSources.CredentialSources

/**
 * Makes the services over the store of this process: nothing is opened, created, locked or asked before a command needs it,
 * save for the keyring where it is to be found out whether there is one. A store may need longer bounds than another, so
 * it is chosen before they are read.
 *
 * By hand: a command that runs once pays more for a graph of layers than for everything in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  globals: Globals
): Effect.Effect<Context.Context<Services>, ConfigError.ConfigError | CredentialStoreError, Scope.Scope> =>
  Effect.gen(function*() {
    const home = { directory: Option.getOrUndefined(globals.home) }
    const kinds = Context.make(StoreKinds, FleetStore.kinds).pipe(Context.add(ForeignStores, ToolStores.all))
    const ports = Context.merge(
      yield* Effect.provide(ResolvedHome.makeFromEnv({ store: Option.getOrUndefined(globals.store), home }), kinds),
      kinds
    )
    const native = Context.get(ports, ResolvedHome.NativeHome)
    // The node package knows the shape and not the service. Settings lie in the home, also beside a tool's file.
    const settings = yield* Effect.provide(
      FileVendorSettings.make,
      ports.pipe(Context.add(Home, native.home), Context.add(FileLock, native.lock))
    )
    // What it needs of Node is loaded by the first request that is really sent.
    const { load } = yield* NodeRoundTripper.make
    const network = ports.pipe(
      Context.add(VendorSettings.VendorSettings, settings),
      Context.add(RoundTripper, RoundTripper.of({ load })),
      Context.add(VendorRegistry.VendorRegistry, VendorRegistry.make(VendorRegistry.builtIn))
    )
    return network.pipe(
      Context.add(TokenEndpoint, yield* Effect.provide(OAuthTokenEndpoint.make, network)),
      Context.add(CredentialSources.CredentialSources, yield* Effect.provide(CredentialSources.make, network))
    )
  })

/**
 * Runs a command over these services. They end with it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide = (globals: Globals) => <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(make(globals), (services) => Effect.provide(command, services)))

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
