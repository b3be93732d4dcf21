/** Hosts that share one engine in memory that fences, as hosts of a fleet share a database. */
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import * as Host from "@lockstep/core/Host"
import * as MemoryCustody from "@lockstep/core/MemoryCustody"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Scenario from "@lockstep/testkit/memory/Scenario"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"

const { tenant } = MemoryMachine

/** Makes the hosts, with one login that is inside its margin or has expired. */
export const make = (fields: Parameters<ScriptedTokenEndpoint.ScriptedTokenEndpoint["issue"]>[0] = Scenario.EXPIRED) =>
  Effect.gen(function*() {
    yield* TestClock.adjust("1 hour")
    const server = yield* ScriptedTokenEndpoint.make
    const engine = yield* MemoryCustody.make
    const host = yield* Effect.provide(Host.Host, Host.layerMemory)
    yield* engine.write(tenant, Option.some(server.issue(fields)))
    const context = Context.empty().pipe(
      Context.add(CredentialStore, engine.store),
      Context.add(Custody, engine.custody),
      Context.add(RefreshPolicy.RefreshPolicy, RefreshPolicy.defaults),
      Context.add(Host.Host, host),
      Context.add(TokenEndpoint, server.service)
    )
    const process = Effect.mapInputContext(
      RefreshCoordinator.make,
      (scope: Context.Context<Scope.Scope>) => Context.merge(context, scope)
    ).pipe(Effect.tap(() => Effect.addFinalizer(() => TestClock.adjust("1 minute"))))
    const stored = Effect.map(
      Effect.orDie(engine.store.get(tenant)),
      (found) => Redacted.value(Option.getOrThrow(Option.getOrThrow(found).credential.refreshToken))
    )
    return { server, engine, process, stored }
  })
