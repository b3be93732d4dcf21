/**
 * The ports of the refresh transaction over a database that many hosts share, wired, beside the home of this host: what is
 * settled about vendors and the spool lie there, and the home remembers which fleet it belongs to.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody, type Held, Hold } from "@lockstep/core/Custody"
import { CredentialStoreError, type LockUnavailable } from "@lockstep/core/Errors"
import type { Host } from "@lockstep/core/Host"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import { longestHold, RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Home from "@lockstep/node/Home"
import * as FileLock from "@lockstep/node/locks/FileLock"
import * as HomeLockPaths from "@lockstep/node/locks/HomeLockPaths"
import * as NodeHost from "@lockstep/node/NodeHost"
import { SealingKeys } from "@lockstep/node/secrets/SealingKeys"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "node:path"
import * as FleetPin from "./FleetPin.js"
import * as PostgresAddress from "./PostgresAddress.js"
import * as PostgresClientRegistrations from "./PostgresClientRegistrations.js"
import * as PostgresCredentialStore from "./PostgresCredentialStore.js"
import * as PostgresCustody from "./PostgresCustody.js"
import * as PostgresLease from "./PostgresLease.js"
import * as PostgresPendingLogins from "./PostgresPendingLogins.js"
import * as PostgresSession from "./PostgresSession.js"
import * as SealingKeyRing from "./SealingKeyRing.js"
import * as Spool from "./Spool.js"

/**
 * What it brings.
 *
 * @since 0.1.0
 * @category models
 */
export type Ports =
  | Home.Home
  | FileLock.FileLock
  | CredentialStore
  | Custody
  | PendingLogins
  | ClientRegistrations
  | Host
  | SealingKeys
  | Spool.Spool
  | PostgresSession.PostgresSession

const variable = (name: string) =>
  Config.option(Config.string(name)).pipe(Config.map(Option.filter((text) => text.trim() !== "")))

/**
 * How `--store`, the pin and messages call this kind of store.
 *
 * @since 0.1.0
 * @category constants
 */
export const NAME = "postgres"

/** Plain text, since it becomes part of what rows are called. */
const NAMESPACE = /^[A-Za-z0-9._-]{0,64}$/

const namespace = Config.withDefault(Config.string("LOCKSTEP_POSTGRES_NAMESPACE"), "").pipe(
  Config.validate({
    message: "letters, digits, dots, dashes and underscores are expected, 64 at most",
    validation: (text) => NAMESPACE.test(text)
  })
)

const session = Layer.scoped(
  PostgresSession.PostgresSession,
  Effect.gen(function*() {
    const address = yield* PostgresAddress.fromEnv
    const { directory } = yield* Home.Home
    const expected = Effect.orElseSucceed(FleetPin.read(directory), () => Option.some("unreadable"))
    return yield* PostgresSession.make({ address, expected, namespace: yield* namespace })
  })
)

const spool: Layer.Layer<
  Spool.Spool,
  ConfigError.ConfigError,
  Home.Home | SealingKeys | PostgresSession.PostgresSession
> = Layer.effect(
  Spool.Spool,
  Effect.gen(function*() {
    const home = yield* Home.Home
    const keys = yield* SealingKeys
    const { namespace } = yield* PostgresSession.PostgresSession
    const named = yield* variable("LOCKSTEP_SPOOL")
    if (Option.contains(named, "none")) return Spool.none
    const directory = Path.resolve(Option.getOrElse(named, () => Path.join(home.directory, "spool")))
    return Spool.make({ directory, keys, namespace })
  })
)

/** No legal holder is overtaken, however long the bounds of this process let it hold. */
const custody = Layer.unwrapEffect(
  Effect.map(
    RefreshPolicy,
    (policy) => PostgresCustody.layer({ lease: Duration.max(PostgresLease.defaults.lease, longestHold(policy)) })
  )
)

const toStoreError = (error: CredentialStoreError | LockUnavailable): CredentialStoreError =>
  error._tag === "CredentialStoreError"
    ? error
    : new CredentialStoreError({ reason: "Write", location: error.path, detail: error.message, remedy: error.advice })

/** The first write pins the home to this store, and a home that has another one by now is neither read nor written. */
const pinned = Layer.effectContext(Effect.gen(function*() {
  const home = yield* Home.Home
  const store = yield* CredentialStore
  const custody = yield* Custody
  const pending = yield* PendingLogins
  const registrations = yield* ClientRegistrations
  const { presence } = yield* PostgresSession.PostgresSession

  let isNoted = false
  const open = Effect.gen(function*() {
    yield* home.open
    if (isNoted) return
    // Without a connection nothing is written either, and what is to be written says so.
    const present = yield* Effect.option(presence)
    if (Option.isNone(present)) return
    yield* FleetPin.note(home.directory, present.value.fleet)
    isNoted = true
  })

  const guarded = (held: Held): Held => ({
    ...held,
    read: (options) => Effect.zipRight(home.check, held.read(options)),
    begin: (journal, over) => Effect.zipRight(Effect.mapError(open, toStoreError), held.begin(journal, over)),
    commit: (commit) => Effect.zipRight(open, held.commit(commit))
  })

  return Context.make(
    CredentialStore,
    CredentialStore.of({
      ...store,
      get: (tenant) => Effect.zipRight(home.check, store.get(tenant)),
      list: Effect.zipRight(home.check, store.list)
    })
  ).pipe(
    Context.add(
      Custody,
      Custody.of({
        ...custody,
        hold: (tenant, options) =>
          Effect.map(
            custody.hold(tenant, options),
            (hold) => hold._tag === "Held" ? Hold.Held({ held: guarded(hold.held) }) : hold
          )
      })
    ),
    Context.add(
      PendingLogins,
      PendingLogins.of({
        ...pending,
        put: (key, login) => Effect.zipRight(open, pending.put(key, login))
      })
    ),
    Context.add(
      ClientRegistrations,
      ClientRegistrations.of({
        ...registrations,
        put: (issuer, client) => Effect.zipRight(open, registrations.put(issuer, client)),
        putIfAbsent: (issuer, client, instead) =>
          Effect.zipRight(open, registrations.putIfAbsent(issuer, client, instead))
      })
    )
  )
}))

/**
 * The same for a move, which changes the pin itself.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUnpinned = (
  options: Omit<Home.Options, "store"> = {}
): Layer.Layer<Ports, ConfigError.ConfigError | CredentialStoreError, RefreshPolicy> =>
  Layer.mergeAll(
    PostgresCredentialStore.layer,
    custody,
    PostgresPendingLogins.layer,
    PostgresClientRegistrations.layer
  ).pipe(
    Layer.provideMerge(spool),
    Layer.provideMerge(SealingKeyRing.layer),
    Layer.provideMerge(session),
    Layer.provideMerge(NodeHost.layer),
    Layer.provideMerge(Layer.provide(FileLock.layer(options.trustLocks), HomeLockPaths.layer)),
    Layer.provideMerge(Home.layer({ ...options, store: NAME }))
  )

/**
 * The ports of the database that the environment names: `LOCKSTEP_POSTGRES_URL_FILE` or `LOCKSTEP_POSTGRES_URL`,
 * `LOCKSTEP_POSTGRES_NAMESPACE`, `LOCKSTEP_SPOOL` (a directory, or `none`) and the keys of `SealingKeyRing`.
 *
 * Building it opens, creates and locks nothing, and connects to nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Omit<Home.Options, "store"> = {}
): Layer.Layer<Ports, ConfigError.ConfigError | CredentialStoreError, RefreshPolicy> =>
  Layer.provideMerge(pinned, layerUnpinned(options))
