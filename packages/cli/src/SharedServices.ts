/**
 * The only place where all services over a store are put together, for the command and for programs that await.
 *
 * @since 0.1.0
 */
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as LookWiring from "./LookWiring.js"

/**
 * Everything that works on the logins of a home.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | LookWiring.Services
  | RefreshCoordinator.RefreshCoordinator
  | CredentialWriter.CredentialWriter

/**
 * Makes the services over a store, those that only look and those that change a login.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  globals: LookWiring.Globals
): Effect.Effect<Context.Context<Services>, ConfigError.ConfigError | CredentialStoreError, Scope.Scope> =>
  Effect.gen(function*() {
    const known = yield* LookWiring.make(globals)
    return known.pipe(
      Context.add(RefreshCoordinator.RefreshCoordinator, yield* Effect.provide(RefreshCoordinator.make, known)),
      Context.add(CredentialWriter.CredentialWriter, yield* Effect.provide(CredentialWriter.make, known))
    )
  })

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

/**
 * The services as a layer, for a runtime that is kept.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  { home, store }: Options
): Layer.Layer<Services, ConfigError.ConfigError | CredentialStoreError> =>
  Layer.scopedContext(make({ home: Option.fromNullable(home), store: Option.fromNullable(store) }))
