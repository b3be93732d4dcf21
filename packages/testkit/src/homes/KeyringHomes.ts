import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { Custody } from "@lockstep/core/Custody"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { WritableStore } from "@lockstep/core/WritableStore"
import * as Home from "@lockstep/node/Home"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import { FileLock } from "@lockstep/node/locks/FileLock"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as GnomeKeyring from "@lockstep/testkit/processes/GnomeKeyring"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"

/** Long enough for a machine that is busy with other tests. */
const TIMEOUT = Duration.seconds(30)

const policy = RefreshPolicy.layer({
  aggregateLockTimeout: Duration.seconds(30),
  lockTimeout: Duration.minutes(5)
})

/** What one more process has of a home whose store is a keyring. */
export const open = (directory: string, keyring: Keyring.Keyring["Type"]) =>
  Effect.map(
    Layer.build(
      KeyringHome.layer({ directory, refuges: [] }).pipe(
        Layer.provide(Layer.merge(policy, Layer.succeed(Keyring.Keyring, keyring)))
      )
    ),
    (context): Homes.Opened => ({
      home: Context.get(context, Home.Home),
      store: Context.get(context, WritableStore),
      pending: Context.get(context, PendingLogins),
      registrations: Context.get(context, ClientRegistrations),
      journal: Context.get(context, RefreshJournal),
      lock: Context.get(context, FileLock),
      custody: Context.get(context, Custody)
    })
  )

/** One more process of a session. */
export const native = (gnome: GnomeKeyring.GnomeKeyring, timeout: Duration.DurationInput = TIMEOUT) =>
  NativeKeyring.make({ timeout: Duration.decode(timeout), env: gnome.environment })

/** A home that does not exist yet, as two processes of a session see it. */
export const twoViews = Effect.gen(function*() {
  const gnome = yield* GnomeKeyring.make
  const directory = Path.join(yield* Homes.temporary, "home")
  return yield* Effect.all([
    Effect.flatMap(native(gnome), (keyring) => open(directory, keyring)),
    Effect.flatMap(native(gnome), (keyring) => open(directory, keyring))
  ])
})

/** The same over one keyring in memory. */
export const twoMemoryViews = (faults: Keyring.MemoryFaults = {}) =>
  Effect.gen(function*() {
    const directory = Path.join(yield* Homes.temporary, "home")
    const entries = new Map<string, string>()
    return yield* Effect.all([
      open(directory, Keyring.makeMemory({ entries, ...faults })),
      open(directory, Keyring.makeMemory({ entries, ...faults }))
    ])
  })
