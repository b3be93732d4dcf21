/**
 * What a sweep needs beside the services of a home: due times and budgets, in the shared database where that is the store, and
 * in memory for the stores of one machine.
 *
 * @since 0.1.0
 */
import * as DueTimes from "@lockstep/core/DueTimes"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import type { PostgresSession as Session } from "@lockstep/postgres/PostgresSession"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FleetStore from "./FleetStore.js"
import type * as LookWiring from "./LookWiring.js"

/**
 * Makes them. What an issuer may be asked for is the database's to say, or else what is given here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  services: Context.Context<LookWiring.Services>,
  termsOf?: (issuer: string) => IssuerBudget.Terms
): Effect.Effect<Context.Context<DueTimes.DueTimes | IssuerBudget.IssuerBudget>, never, Scope.Scope> =>
  Effect.gen(function*() {
    if (Context.get(services, StoreChoice).name === FleetStore.store.name) {
      const { PostgresDueTimes, PostgresIssuerBudget, PostgresSession } = yield* Effect.promise(() =>
        import("./Fleet.js")
      )
      const session = Context.getOption(services, PostgresSession.PostgresSession)
      if (Option.isSome(session)) {
        const asked = <A, R>(made: Effect.Effect<A, never, R | Session>) =>
          Effect.provideService(made, PostgresSession.PostgresSession, session.value)
        return Context.make(DueTimes.DueTimes, yield* asked(PostgresDueTimes.make)).pipe(
          Context.add(IssuerBudget.IssuerBudget, yield* asked(PostgresIssuerBudget.make(termsOf)))
        )
      }
    }
    return Context.make(DueTimes.DueTimes, yield* Effect.provide(DueTimes.makeMemory, services)).pipe(
      Context.add(IssuerBudget.IssuerBudget, IssuerBudget.makeMemory(termsOf))
    )
  })
