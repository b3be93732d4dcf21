/**
 * The ports of whatever store this process uses, wired.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import { defaultsFor, layerFromEnvFor, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Home from "../Home.js"
import { others } from "../internal/others.js"
import { FileLock } from "../locks/FileLock.js"
import { Chosen, layer as chosen, type Options as ChoiceOptions, StoreChoice } from "./StoreChoice.js"
import type { StoreDescriptor, StorePorts } from "./StoreDescriptor.js"
import * as StoreDrift from "./StoreDrift.js"
import * as Stores from "./Stores.js"

/**
 * The home of this user and the locks of its files, also for a process whose store is the file of another tool: what is
 * settled about vendors, and which logins are unfinished, is never written into a tool's directory.
 *
 * @since 0.1.0
 * @category services
 */
export class NativeHome extends Context.Tag("@lockstep/node/NativeHome")<NativeHome, {
  readonly home: Home.Home["Type"]
  readonly lock: FileLock["Type"]
}>() {}

/**
 * What a store brings.
 *
 * @since 0.1.0
 * @category models
 */
export type Ports = StorePorts | NativeHome

type Options = Omit<Home.Options, "store">
type Failure = ConfigError.ConfigError | CredentialStoreError

const withNativeHome = <R>(ports: Layer.Layer<StorePorts, Failure, R>): Layer.Layer<Ports, Failure, R> =>
  Layer.provideMerge(
    Layer.effect(
      NativeHome,
      Effect.map(Effect.all([Home.Home, FileLock]), ([home, lock]) => NativeHome.of({ home, lock }))
    ),
    ports
  )

const native = ({ store }: { readonly store: StoreDescriptor }, options: Options) =>
  withNativeHome(store.ports(options))

/** Bounds that suit the store of the home, too: those of a tool may leave no time for it. */
const patient = (store: StoreDescriptor) =>
  Layer.effect(
    RefreshPolicy,
    Effect.map(Effect.all([RefreshPolicy, store.limits]), ([policy, limits]) => ({
      ...policy,
      lockTimeout: Duration.max(policy.lockTimeout, defaultsFor(limits).lockTimeout)
    }))
  )

const ofTool = (
  { path, tool }: Extract<Chosen, { readonly _tag: "Tool" }>,
  options: Options
): Layer.Layer<Ports, Failure, RefreshPolicy> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const { ToolHome } = yield* others
    const store = yield* Effect.flatMap(Home.make(options), Stores.of)
    const beside = yield* Layer.build(Layer.provide(native({ store }, options), patient(store)))
    return Layer.merge(
      ToolHome.layer(tool, path, { trustLocks: options.trustLocks }),
      Layer.succeedContext(Context.pick(PendingLogins, ClientRegistrations, NativeHome)(beside))
    )
  }))

/** A store that was chosen automatically is observed at its use. */
const observed = Layer.effectContext(
  Effect.map(
    Effect.all({ store: CredentialStore, custody: Custody, home: Home.Home, host: Host }),
    ({ custody, home, host, store }) => {
      const ports = StoreDrift.observed({ store, custody }, home, host.self)
      return Context.make(CredentialStore, ports.store).pipe(Context.add(Custody, ports.custody))
    }
  )
)

/**
 * The ports of the refresh transaction over the store that was chosen. `RefreshPolicy` is to be built for it, of its
 * limits.
 *
 * Building it opens, creates and locks nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Ports, Failure, StoreChoice | RefreshPolicy> =>
  Layer.unwrapEffect(
    Effect.map(StoreChoice, ({ chosen, isAutomatic }) => {
      const ports = Chosen.$match(chosen, {
        Native: (chosen) => native(chosen, options),
        Tool: (tool) => ofTool(tool, options)
      })
      return isAutomatic ? Layer.provideMerge(observed, ports) : ports
    })
  )

/**
 * The bounds of a refresh that suit the store that was chosen, and what the environment says of them.
 *
 * @since 0.1.0
 * @category layers
 */
export const policyFromEnv: Layer.Layer<RefreshPolicy, ConfigError.ConfigError, StoreChoice> = Layer.unwrapEffect(
  Effect.map(StoreChoice, ({ limits }) => layerFromEnvFor(limits))
)

/**
 * The store that the options, the environment or the home itself name, with its choice and its bounds: all that an agent
 * needs to share the logins of the command.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFromEnv = (
  options: ChoiceOptions = {}
): Layer.Layer<Ports | StoreChoice | RefreshPolicy, Failure> =>
  layer(options.home).pipe(
    Layer.provideMerge(policyFromEnv),
    Layer.provideMerge(chosen(options))
  )
