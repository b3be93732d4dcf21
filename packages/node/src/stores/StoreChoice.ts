/**
 * Which store a process uses, decided once and kept until its layers close (I10).
 *
 * What a caller says comes first, then `LOCKSTEP_STORE`, then what the home is pinned to, then the plain file. A process
 * that names another kind than the home's own is stopped: a second store would hold a second half of the truth. `auto` takes
 * the home's own; a new home takes the keyring, and the plain file only where there is no keyring at all. One that
 * is locked, slow or broken is an error: a login that went into a file that day would be missing from the keyring for ever.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { CustodyLimits } from "@lockstep/core/RefreshPolicy"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Home from "../Home.js"
import * as HomePin from "../HomePin.js"
import { others } from "../internal/others.js"
import * as Keyring from "../keyring/Keyring.js"
import * as FileStore from "./FileStore.js"
import { type ForeignStore, ForeignStores } from "./ForeignStores.js"
import * as KeyringStore from "./KeyringStore.js"
import type { StoreDescriptor } from "./StoreDescriptor.js"
import * as Stores from "./Stores.js"

/**
 * A store of the home, or the file of another tool.
 *
 * @since 0.1.0
 * @category models
 */
export type Chosen = Data.TaggedEnum<{
  Native: { readonly store: StoreDescriptor }
  /** Named for one process and never pinned. */
  Tool: { readonly tool: ForeignStore }
}>

/**
 * Constructors of {@link Chosen}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Chosen = Data.taggedEnum<Chosen>()

/**
 * What decided.
 *
 * @since 0.1.0
 * @category models
 */
export type ChosenBy = "option" | "environment" | "pin" | "auto" | "default"

/**
 * What a caller may say. What it leaves out comes from the environment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The name of a store (`file`, `keyring`, `secrets`), `auto` or `TOOL[:PATH]`. `LOCKSTEP_STORE`, else the home's own. */
  readonly store?: string | undefined
  readonly home?: Omit<Home.Options, "store"> | undefined
}

/**
 * What is loaded only where the answer depends on it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Resolvers {
  /** The keyring that `auto` asks for. */
  readonly keyring: Effect.Effect<Keyring.Keyring["Type"], ConfigError.ConfigError, Scope.Scope>
  /** Finds a tool by `TOOL[:PATH]`. */
  readonly tool: (text: string) => Effect.Effect<ForeignStore, ConfigError.ConfigError>
}

/**
 * The store of this process.
 *
 * @since 0.1.0
 * @category services
 */
export class StoreChoice extends Context.Tag("@lockstep/node/stores/StoreChoice")<StoreChoice, {
  readonly chosen: Chosen
  /** How `--store` calls it: the kind, or the name of the tool. */
  readonly name: string
  readonly chosenBy: ChosenBy
  /** Whether `auto` was asked for, whatever decided in the end. */
  readonly isAutomatic: boolean
  /** What it adds to the bounds of a refresh. */
  readonly limits: CustodyLimits
}>() {}

const variable = Config.option(Config.string("LOCKSTEP_STORE")).pipe(
  Config.map(Option.filter((text) => text.trim() !== ""))
)

const native = (
  store: StoreDescriptor,
  chosenBy: ChosenBy,
  isAutomatic = false
): Effect.Effect<StoreChoice["Type"], ConfigError.ConfigError> =>
  Effect.map(store.limits, (limits) => ({
    chosen: Chosen.Native({ store }),
    name: store.name,
    chosenBy,
    isAutomatic,
    limits
  }))

/** Asks a keyring whether it would keep anything. Only one that is not there answers with the file. */
const keyringOrFile = (keyring: Keyring.Keyring["Type"]): Effect.Effect<StoreDescriptor, CredentialStoreError> =>
  keyring.probe.pipe(
    Effect.as(KeyringStore.store),
    Effect.catchIf((error) => error.reason === "Absent", () => Effect.succeed(FileStore.store)),
    Effect.mapError(Keyring.toStoreError(keyring)),
    Effect.withSpan("lockstep.store.probe")
  )

/**
 * Decides. Creates nothing, and asks the keyring only for `auto` in a home without a store.
 *
 * Fails with `CredentialStoreError(Superseded)` where the home has another store than the one that is named, and with a
 * `ConfigError` where no store has that name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options,
  resolvers: Resolvers
): Effect.Effect<StoreChoice["Type"], ConfigError.ConfigError | CredentialStoreError> =>
  Effect.gen(function*() {
    const fromEnvironment = yield* variable
    const said = Option.orElse(Option.fromNullable(options.store), () => fromEnvironment)
    const saidBy: ChosenBy = options.store === undefined ? "environment" : "option"
    const kinds = yield* Stores.StoreKinds
    const named = Option.flatMap(said, (text) => Option.fromNullable(kinds.find(({ name }) => name === text)))
    if (Option.isSome(said) && Option.isNone(named) && said.value !== "auto") {
      const tool = yield* Effect.mapError(
        resolvers.tool(said.value),
        (error) =>
          saidBy === "option" && error._op === "InvalidData"
            ? ConfigError.InvalidData(["--store"], error.message)
            : error
      )
      return {
        chosen: Chosen.Tool({ tool }),
        name: tool.name,
        chosenBy: saidBy,
        isAutomatic: false,
        limits: tool.limits
      }
    }
    const home = yield* Home.make(options.home)
    const read = yield* Effect.option(home.pin)
    if (Option.isNone(read)) {
      // Nothing is guessed at: whatever is read or written now says what is wrong with the pin.
      return yield* Option.match(named, {
        onNone: () => native(FileStore.store, "default"),
        onSome: (store) => native(store, saidBy)
      })
    }
    const pin = read.value
    if (Option.isSome(pin) && Option.isSome(named) && pin.value.store !== named.value.name) {
      return yield* HomePin.otherStore(home.directory, pin.value.store, named.value.name)
    }
    // A home with logins in `auth.json` has that store, even if they were put there by hand.
    const own = Option.isSome(pin)
      ? Option.some(yield* Stores.of({ directory: home.directory, store: pin.value.store }))
      : Fs.existsSync(home.file)
      ? Option.some(FileStore.store)
      : Option.none<StoreDescriptor>()
    if (Option.isSome(named)) {
      return Option.isSome(own) && own.value !== named.value
        ? yield* HomePin.otherStore(home.directory, own.value.name, named.value.name)
        : yield* native(named.value, saidBy)
    }
    if (Option.isNone(said)) {
      return yield* Option.match(own, {
        onNone: () => native(FileStore.store, "default"),
        onSome: (store) => native(store, Option.isSome(pin) ? "pin" : "default")
      })
    }
    return Option.isSome(own)
      ? yield* native(own.value, Option.isSome(pin) ? "pin" : "auto", true)
      : yield* native(yield* Effect.scoped(Effect.flatMap(resolvers.keyring, keyringOrFile)), "auto", true)
  })

// What was said is not repeated: it may be a secret, said for another option.
const unknown = (kinds: ReadonlyArray<StoreDescriptor>, tools: ReadonlyArray<string>): ConfigError.ConfigError =>
  ConfigError.InvalidData(
    ["LOCKSTEP", "STORE"],
    `there is no store of that name: use ${[...kinds.map(({ name }) => name), "auto"].join(", ")}${
      tools.length === 0 ? "" : `, or TOOL[:PATH] with one of ${tools.join(", ")}`
    }`
  )

const machine: Resolvers = {
  keyring: Effect.flatMap(
    others,
    ({ NativeKeyring }) =>
      Effect.map(Layer.build(NativeKeyring.layer), (context) => Context.get(context, Keyring.Keyring))
  ),
  tool: (text) =>
    Effect.gen(function*() {
      const foreign = yield* ForeignStores
      const tools = yield* foreign.names
      return tools.includes(text.split(":", 1)[0]!)
        ? yield* foreign.find(text)
        : yield* Effect.fail(unknown(yield* Stores.StoreKinds, tools))
    })
}

/**
 * Makes the choice of this process from its options, its environment and the home itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeFromEnv = (
  options: Options = {}
): Effect.Effect<StoreChoice["Type"], ConfigError.ConfigError | CredentialStoreError> => make(options, machine)

/**
 * The store of this process, with this machine's keyring and the tools that are known.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<StoreChoice, ConfigError.ConfigError | CredentialStoreError> =>
  Layer.effect(StoreChoice, makeFromEnv(options))
