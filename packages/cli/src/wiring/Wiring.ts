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
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Signals } from "../Signals.js"
import type { Output } from "../terminal/Output.js"
import * as Question from "../terminal/Question.js"
import * as Stdin from "../terminal/Stdin.js"
import * as Background from "../token/Background.js"
import type * as LookWiring from "./LookWiring.js"
import * as SharedServices from "./SharedServices.js"

/**
 * Everything that a command may ask for.
 *
 * @since 0.1.0
 * @category models
 */
export type Services = SharedServices.Services | Background.Background | Question.Question | Stdin.Stdin

/**
 * Makes the services of a command that changes logins.
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
    const shared = yield* SharedServices.make(globals)
    // Signals wait for what these services do with a tenant in their hands.
    const signals = yield* Signals
    yield* signals.watch(UnderWay.all([
      Context.get(shared, RefreshCoordinator.RefreshCoordinator).underWay,
      Context.get(shared, CredentialWriter.CredentialWriter).underWay
    ]))
    return shared.pipe(
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
