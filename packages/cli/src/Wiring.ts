/**
 * What the command adds to the services that every program has: signals, questions, standard input.
 *
 * @since 0.1.0
 */
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as UnderWay from "@lockstep/core/UnderWay"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Background from "./Background.js"
import type { Output } from "./Output.js"
import * as Question from "./Question.js"
import * as Shared from "./SharedServices.js"
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
export type Services = Shared.Services | Background.Background | Question.Question | Stdin.Stdin

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

/**
 * The services over the store of this process: nothing is opened, created, locked or asked before a command needs it, save
 * for the keyring where it is to be found out whether there is one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  globals: Globals
): Layer.Layer<Services, ConfigError.ConfigError | CredentialStoreError, Output | Signals> =>
  Layer.mergeAll(watched, Background.layer, Question.layer, Stdin.layer).pipe(
    Layer.provideMerge(Shared.layer({
      home: Option.getOrUndefined(globals.home),
      store: Option.getOrUndefined(globals.store)
    }))
  )

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
