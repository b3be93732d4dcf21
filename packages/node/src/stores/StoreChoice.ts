/**
 * Which store a process uses, decided once and kept until its layers close (I10).
 *
 * What a caller says comes first, then `LOCKSTEP_STORE`, then what the home is pinned to, then the plain file. Whoever
 * names another kind than the home's own is stopped: a second store would hold a second half of the truth. `auto` takes
 * the home's own; where there is none yet, the keyring, and the plain file only where there is no keyring at all. One that
 * is locked, slow or broken is an error: a login that went into a file that day would be missing from the keyring for ever.
 *
 * @since 0.1.0
 */
import type { CredentialStoreError } from "@lockstep/core/Errors"
import type { StoreDemands } from "@lockstep/core/RefreshPolicy"
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
import * as Keyring from "../keyring/Keyring.js"
import type { ToolFile } from "../tools/ToolFile.js"

/**
 * A store of the home, or the file of another tool.
 *
 * @since 0.1.0
 * @category models
 */
export type Chosen = Data.TaggedEnum<{
  Native: { readonly kind: Home.StoreKind }
  /** Named for one process and never pinned. `path` is absolute. */
  Tool: { readonly tool: ToolFile; readonly path: string }
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
  /** `file`, `keyring`, `secrets`, `auto` or `TOOL[:PATH]`. `LOCKSTEP_STORE`, else the home's own. */
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
  readonly tool: (
    text: string
  ) => Effect.Effect<{ readonly tool: ToolFile; readonly path: string }, ConfigError.ConfigError>
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
  /** What it asks of the bounds of a refresh. */
  readonly demands: StoreDemands
}>() {}

const isKind = (text: string): text is Home.StoreKind => Home.STORE_KINDS.some((kind) => kind === text)

const variable = Config.option(Config.string("LOCKSTEP_STORE")).pipe(
  Config.map(Option.filter((text) => text.trim() !== ""))
)

const native = (kind: Home.StoreKind, chosenBy: ChosenBy, isAutomatic = false): StoreChoice["Type"] => ({
  chosen: Chosen.Native({ kind }),
  name: kind,
  chosenBy,
  isAutomatic,
  // The key of encrypted files may be in the keyring, and is asked for under the tenant's lock.
  demands: kind === "file" ? {} : { keyring: true }
})

/** Asks a keyring whether it would keep anything. Only one that is not there answers with the file. */
const keyringOrFile = (keyring: Keyring.Keyring["Type"]): Effect.Effect<Home.StoreKind, CredentialStoreError> =>
  keyring.probe.pipe(
    Effect.as<Home.StoreKind>("keyring"),
    Effect.catchIf((error) => error.reason === "Absent", () => Effect.succeed<Home.StoreKind>("file")),
    Effect.mapError(Keyring.toStoreError(keyring)),
    Effect.withSpan("lockstep.store.probe")
  )

/**
 * Decides. Creates nothing, and asks the keyring only for `auto` in a home without a store.
 *
 * Fails with `CredentialStoreError(Superseded)` where the home has another store than the one that is named, and with a
 * `ConfigError` where there is none of that name.
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
    if (Option.isSome(said) && !isKind(said.value) && said.value !== "auto") {
      const found = yield* Effect.mapError(
        resolvers.tool(said.value),
        (error) =>
          saidBy === "option" && error._op === "InvalidData"
            ? ConfigError.InvalidData(["--store"], error.message)
            : error
      )
      return {
        chosen: Chosen.Tool(found),
        name: found.tool.name,
        chosenBy: saidBy,
        isAutomatic: false,
        demands: found.tool.demands
      }
    }
    const wanted = Option.getOrUndefined(said)
    const home = yield* Home.make(options.home)
    const read = yield* Effect.option(home.pin)
    if (Option.isNone(read)) {
      // Nothing is guessed at: whatever is read or written now says what is wrong with the pin.
      return wanted !== undefined && isKind(wanted) ? native(wanted, saidBy) : native("file", "default")
    }
    const pin = read.value
    // Whoever keeps logins in `auth.json` has decided, even if they were put there by hand.
    const own = Option.orElse(
      Option.map(pin, ({ store }) => store),
      () => Fs.existsSync(home.file) ? Option.some<Home.StoreKind>("file") : Option.none()
    )
    const ownBy: ChosenBy = Option.isSome(pin) ? "pin" : "default"
    if (wanted === undefined) {
      return Option.match(own, { onNone: () => native("file", "default"), onSome: (kind) => native(kind, ownBy) })
    }
    if (isKind(wanted)) {
      return Option.isSome(own) && own.value !== wanted
        ? yield* Home.otherStore(home.directory, own.value, wanted)
        : native(wanted, saidBy)
    }
    return Option.isSome(own)
      ? native(own.value, Option.isSome(pin) ? "pin" : "auto", true)
      : native(yield* Effect.scoped(Effect.flatMap(resolvers.keyring, keyringOrFile)), "auto", true)
  })

// What was said is not repeated: whoever mixes up two options may have said a secret.
const unknown = (tools: ReadonlyArray<string>): ConfigError.ConfigError =>
  ConfigError.InvalidData(
    ["LOCKSTEP", "STORE"],
    `there is no store of that name: use ${[...Home.STORE_KINDS, "auto"].join(", ")}, or TOOL[:PATH] with one of ${
      tools.join(", ")
    }`
  )

const others = Effect.promise(() => import("../internal/otherStores.js"))

const machine: Resolvers = {
  keyring: Effect.flatMap(
    others,
    ({ NativeKeyring }) =>
      Effect.map(Layer.build(NativeKeyring.layer), (context) => Context.get(context, Keyring.Keyring))
  ),
  tool: (text) =>
    Effect.flatMap(others, ({ ToolFiles: { all, find } }) => {
      const tools = all.map(({ name }) => name)
      return tools.includes(text.split(":", 1)[0]!) ? find(text) : Effect.fail(unknown(tools))
    })
}

/**
 * The store of this process, with this machine's keyring and the tools that are known.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<StoreChoice, ConfigError.ConfigError | CredentialStoreError> =>
  Layer.effect(StoreChoice, make(options, machine))
