/**
 * The only place where all services over a store are put together, for the command and for programs that await.
 *
 * @since 0.1.0
 */
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import { StoreChoice } from "@lockstep/node/stores/StoreChoice"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as FleetStore from "./FleetStore.js"
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
    const services = known.pipe(
      Context.add(RefreshCoordinator.RefreshCoordinator, yield* noting(known)),
      Context.add(CredentialWriter.CredentialWriter, yield* Effect.provide(CredentialWriter.make, known))
    )
    yield* delivered(services)
    return services
  })

/** Hosts that sweep keep fresh what processes of other hosts use: these say so. */
const noting = (known: Context.Context<LookWiring.Services>) =>
  Effect.gen(function*() {
    const coordinator = yield* Effect.provide(RefreshCoordinator.make, known)
    if (Context.get(known, StoreChoice).name !== FleetStore.store.name) return coordinator
    const { PostgresDueTimes, PostgresSession, Sweep } = yield* Effect.promise(() => import("./Fleet.js"))
    const session = Context.getOption(known, PostgresSession.PostgresSession)
    if (Option.isNone(session)) return coordinator
    const due = yield* Effect.provideService(PostgresDueTimes.make, PostgresSession.PostgresSession, session.value)
    return Sweep.noting(coordinator, due)
  })

/** Answers that wait in the spool of this host are brought to the shared database while these services live. */
const delivered = (services: Context.Context<Services>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    if (Context.get(services, StoreChoice).name !== FleetStore.store.name) return
    const { PostgresSession, Spool, SpoolDelivery } = yield* Effect.promise(() => import("./Fleet.js"))
    const session = Context.getOption(services, PostgresSession.PostgresSession)
    const spool = Context.getOption(services, Spool.Spool)
    if (Option.isNone(session) || Option.isNone(spool)) return
    const known = services.pipe(
      Context.add(PostgresSession.PostgresSession, session.value),
      Context.add(Spool.Spool, spool.value)
    )
    yield* Effect.provide(Layer.build(SpoolDelivery.layer), known)
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
