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
import { defaultsFor, layerFromEnvFor, makeFromEnv as policyFor, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Home from "../Home.js"
import { FileLock } from "../locks/FileLock.js"
import { Chosen, makeFromEnv as chosenFromEnv, type Options as ChoiceOptions, StoreChoice } from "./StoreChoice.js"
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

const withNativeHome = (ports: Context.Context<StorePorts>): Context.Context<Ports> =>
  Context.add(
    ports,
    NativeHome,
    NativeHome.of({ home: Context.get(ports, Home.Home), lock: Context.get(ports, FileLock) })
  )

const native = ({ store }: { readonly store: StoreDescriptor }, options: Options) =>
  Effect.map(Layer.build(store.ports(options)), withNativeHome)

/** Bounds that suit the store of the home, too: those of a tool may leave no time for it. */
const patient = (store: StoreDescriptor) =>
  Effect.map(Effect.all([RefreshPolicy, store.limits]), ([policy, limits]) =>
    RefreshPolicy.of({
      ...policy,
      lockTimeout: Duration.max(policy.lockTimeout, defaultsFor(limits).lockTimeout)
    }))

const ofTool = ({ tool }: Extract<Chosen, { readonly _tag: "Tool" }>, options: Options) =>
  Effect.gen(function*() {
    const store = yield* Effect.flatMap(Home.make(options), Stores.of)
    const beside = yield* Effect.provideServiceEffect(native({ store }, options), RefreshPolicy, patient(store))
    const ports = yield* Layer.build(tool.ports({ trustLocks: options.trustLocks }))
    return Context.merge(ports, Context.pick(PendingLogins, ClientRegistrations, NativeHome)(beside))
  })

/** A store that was chosen automatically is observed at its use. */
const observed = (ports: Context.Context<Ports>): Context.Context<Ports> => {
  const seen = StoreDrift.observed(
    { store: Context.get(ports, CredentialStore), custody: Context.get(ports, Custody) },
    Context.get(ports, Home.Home),
    Context.get(ports, Host).self
  )
  return ports.pipe(Context.add(CredentialStore, seen.store), Context.add(Custody, seen.custody))
}

/** By hand: a command that runs once pays more for a graph of layers than for everything in it. */
const open = (
  { chosen, isAutomatic }: StoreChoice["Type"],
  options: Options
): Effect.Effect<Context.Context<Ports>, Failure, RefreshPolicy | Scope.Scope> =>
  Effect.map(
    Chosen.$match(chosen, {
      Native: (chosen): Effect.Effect<Context.Context<Ports>, Failure, RefreshPolicy | Scope.Scope> =>
        native(chosen, options),
      Tool: (tool) => ofTool(tool, options)
    }),
    (ports) => isAutomatic ? observed(ports) : ports
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
  Layer.scopedContext(Effect.flatMap(StoreChoice, (choice) => open(choice, options)))

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
 * Makes the store that the options, the environment or the home itself name, with its choice and its bounds: all that an
 * agent needs to share the logins of the command.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFromEnv = (
  options: ChoiceOptions = {}
): Effect.Effect<Context.Context<Ports | StoreChoice | RefreshPolicy>, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const choice = yield* chosenFromEnv(options)
    const policy = yield* policyFor(choice.limits)
    const ports = yield* Effect.provideService(open(choice, options.home ?? {}), RefreshPolicy, policy)
    return ports.pipe(Context.add(StoreChoice, choice), Context.add(RefreshPolicy, policy))
  })

/**
 * The store that the options, the environment or the home itself name, with its choice and its bounds: all that an agent
 * needs to share the logins of the command.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFromEnv = (
  options: ChoiceOptions = {}
): Layer.Layer<Ports | StoreChoice | RefreshPolicy, Failure> => Layer.scopedContext(makeFromEnv(options))
