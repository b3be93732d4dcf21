/**
 * The ports of whatever store this process uses, wired.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { CredentialLock } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import type { RefreshJournal } from "@lockstep/core/RefreshJournal"
import { defaultsFor, layerFromEnvFor, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FileHome from "../FileHome.js"
import * as Home from "../Home.js"
import { Chosen, layer as chosen, type Options as ChoiceOptions, StoreChoice } from "./StoreChoice.js"
import * as StoreDrift from "./StoreDrift.js"

/**
 * The home of this user and the locks of its files, also for a process whose store is the file of another tool: what is
 * settled about vendors, and who is in the middle of a login, is never written into a tool's directory.
 *
 * @since 0.1.0
 * @category services
 */
export class NativeHome extends Context.Tag("@lockstep/node/NativeHome")<NativeHome, {
  readonly home: Home.Home["Type"]
  readonly lock: CredentialLock["Type"]
}>() {}

/**
 * What a store brings.
 *
 * @since 0.1.0
 * @category models
 */
export type Ports =
  | Home.Home
  | NativeHome
  | CredentialStore
  | CredentialLock
  | RefreshJournal
  | PendingLogins
  | ClientRegistrations
  | Host

type Options = Omit<Home.Options, "store">
type Failure = ConfigError.ConfigError | CredentialStoreError

const withNativeHome = <R>(
  ports: Layer.Layer<Exclude<Ports, NativeHome>, Failure, R>
): Layer.Layer<Ports, Failure, R> =>
  Layer.provideMerge(
    Layer.effect(
      NativeHome,
      Effect.map(Effect.all([Home.Home, CredentialLock]), ([home, lock]) => NativeHome.of({ home, lock }))
    ),
    ports
  )

const others = Effect.promise(() => import("../internal/otherStores.js"))

const ofKind = (kind: Home.StoreKind, options: Options): Layer.Layer<Ports, Failure, RefreshPolicy> => {
  switch (kind) {
    case "file":
      return withNativeHome(FileHome.layer(options))
    case "keyring":
      return withNativeHome(
        Layer.unwrapEffect(
          Effect.map(
            others,
            ({ KeyringHome, NativeKeyring }) => Layer.provide(KeyringHome.layer(options), NativeKeyring.layer)
          )
        )
      )
    case "secrets":
      return withNativeHome(
        Layer.unwrapEffect(
          Effect.map(
            others,
            ({ NativeKeyring, SecretsHome }) => Layer.provide(SecretsHome.layer(options), NativeKeyring.layer)
          )
        )
      )
  }
}

/** Bounds that suit any store of the home: those of a tool may leave no time for a keyring. */
const patient = Layer.effect(
  RefreshPolicy,
  Effect.map(RefreshPolicy, (policy) => ({
    ...policy,
    lockTimeout: Duration.max(policy.lockTimeout, defaultsFor({ keyring: true }).lockTimeout)
  }))
)

const ofTool = (
  { path, tool }: Extract<Chosen, { readonly _tag: "Tool" }>,
  options: Options
): Layer.Layer<Ports, Failure, RefreshPolicy> =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const { ToolHome } = yield* others
    const { store } = yield* Home.make(options)
    const native = yield* Layer.build(Layer.provide(ofKind(store, options), patient))
    return Layer.merge(
      ToolHome.layer(tool, path, { trustLocks: options.trustLocks }),
      Layer.succeedContext(Context.pick(PendingLogins, ClientRegistrations, NativeHome)(native))
    )
  }))

/** A store that was chosen automatically is observed at its use. */
const observed = Layer.effect(
  CredentialStore,
  Effect.map(
    Effect.all([CredentialStore, Home.Home, Host]),
    ([store, home, { self }]) => StoreDrift.observed(store, home, self)
  )
)

/**
 * The ports of the refresh transaction over the store that was chosen. `RefreshPolicy` is to be built for it, of its
 * demands.
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
        Native: ({ kind }) => ofKind(kind, options),
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
  Effect.map(StoreChoice, ({ demands }) => layerFromEnvFor(demands))
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
