/**
 * The only place where all of the command's services are put together.
 *
 * @since 0.1.0
 */
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as UnderWay from "@lockstep/core/UnderWay"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Background from "./Background.js"
import * as LookWiring from "./LookWiring.js"
import type { Output } from "./Output.js"
import * as Question from "./Question.js"
import { Signals } from "./Signals.js"
import * as Stdin from "./Stdin.js"

/**
 * Everything that a command may ask for.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | LookWiring.Services
  | RefreshCoordinator.RefreshCoordinator
  | CredentialWriter.CredentialWriter
  | Background.Background
  | Question.Question
  | Stdin.Stdin

/**
 * Makes the services over the store of this process, what only looks and what changes a login.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  globals: LookWiring.Globals
): Effect.Effect<
  Context.Context<Services>,
  ConfigError.ConfigError | CredentialStoreError,
  Output | Signals | Scope.Scope
> =>
  Effect.gen(function*() {
    const known = yield* LookWiring.make(globals)
    const coordinator = yield* Effect.provide(RefreshCoordinator.make, known)
    const writer = yield* Effect.provide(CredentialWriter.make, known)
    // Signals wait for what these services do with a tenant in their hands.
    const signals = yield* Signals
    yield* signals.watch(UnderWay.all([coordinator.underWay, writer.underWay]))
    return known.pipe(
      Context.add(RefreshCoordinator.RefreshCoordinator, coordinator),
      Context.add(CredentialWriter.CredentialWriter, writer),
      Context.add(Background.Background, Background.make()),
      Context.add(Question.Question, yield* Question.make),
      Context.add(Stdin.Stdin, Stdin.make())
    )
  })

/**
 * Runs a command over these services. They end with it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const provide = <A, E, R>(command: Effect.Effect<A, E, R>, globals: LookWiring.Globals) =>
  Effect.scoped(Effect.flatMap(make(globals), (services) => Effect.provide(command, services)))
