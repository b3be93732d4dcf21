/**
 * Refreshing ahead of expiry, so that no client waits for a provider: what was asked for in the last day is kept fresh, and
 * nothing else is, for a login that no program uses need not be rotated for ever.
 *
 * The schedule is that of the fleet's sweep, and so are its budgets for each issuer. What it refreshes it asks of the
 * coordinator, like every client.
 *
 * @since 0.1.0
 */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as DueTimes from "@lockstep/core/DueTimes"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import type { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as Sweep from "@lockstep/core/Sweep"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Usage } from "./Usage.js"

/**
 * What is refreshed ahead of expiry. `Used`: what was asked for in the last day. `All`: every login of the store, fresh where
 * it is used and else often enough to stay alive. `Nothing`: a client waits for the refresh that it needs.
 *
 * @since 0.1.0
 * @category models
 */
export type Ahead = "Used" | "All" | "Nothing"

/**
 * Sweeps for as long as the scope lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (
  ahead: Exclude<Ahead, "Nothing">
): Effect.Effect<Sweep.Sweep, never, CredentialStore | RefreshCoordinator | Usage | Scope.Scope> =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const usage = yield* Usage
    // What is not enrolled is never looked at: of this store the sweep knows what was asked for.
    const known = ahead === "All" ? store : { ...store, list: usage.recent }
    // Hosts that share a store share its due times and budgets, where those are given.
    const sharedDue = ahead === "All" ? yield* Effect.serviceOption(DueTimes.DueTimes) : Option.none()
    const sharedBudget = yield* Effect.serviceOption(IssuerBudget.IssuerBudget)
    const due = Option.isSome(sharedDue)
      ? sharedDue.value
      : yield* Effect.provideService(DueTimes.makeMemory, CredentialStore, known)
    if (ahead === "All") yield* usage.follow(due.used)
    return yield* Sweep.start(ahead === "All" ? {} : { keep: Sweep.everything }).pipe(
      Effect.provideService(DueTimes.DueTimes, due),
      Effect.provideService(
        IssuerBudget.IssuerBudget,
        Option.getOrElse(sharedBudget, () => IssuerBudget.makeMemory())
      )
    )
  })
