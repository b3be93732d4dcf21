/**
 * What a process needs of a home that does nothing but refresh one of its logins, wired. The store is the plain file.
 *
 * @since 0.1.0
 */
import { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import { CredentialLock } from "@lockstep/core/CredentialLock"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { Custody } from "@lockstep/core/Custody"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { Host } from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import { WritableStore } from "@lockstep/core/WritableStore"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { AuthFile } from "./AuthFile.js"
import * as AuthJson from "./AuthJson.js"
import * as Envelope from "./Envelope.js"
import * as FileClientRegistrations from "./FileClientRegistrations.js"
import * as FileCredentialStore from "./FileCredentialStore.js"
import * as FileRefreshJournal from "./FileRefreshJournal.js"
import * as Home from "./Home.js"
import type * as LockedPorts from "./LockedPorts.js"
import * as FileLock from "./locks/FileLock.js"
import * as HomeLockPaths from "./locks/HomeLockPaths.js"
import { LockPaths } from "./locks/LockPaths.js"
import * as NodeHost from "./NodeHost.js"
import * as SharedFile from "./SharedFile.js"

type Options = Omit<Home.Options, "store">

/**
 * Makes the ports of the refresh transaction on this machine, without unfinished logins, for a process that only refreshes.
 * A lock that it holds already is taken over by its first hold of that tenant.
 *
 * Building it opens, creates and locks nothing. One after the other and by hand: a command that runs once pays more for a
 * graph of layers than for everything in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {},
  inherited?: FileLock.Inherited
): Effect.Effect<
  Context.Context<LockedPorts.Ports | ClientRegistrations | AuthFile>,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy | Scope.Scope
> =>
  Effect.gen(function*() {
    const home = yield* Home.make({ ...options, store: "file" })
    const lock = yield* Effect.provideService(
      FileLock.makeFromEnv(options.trustLocks, inherited),
      LockPaths,
      HomeLockPaths.make(home)
    )
    const files = Context.make(Home.Home, home).pipe(
      Context.add(FileLock.FileLock, lock),
      Context.add(Envelope.Envelope, Envelope.plain)
    )
    const file = yield* Effect.provide(SharedFile.make(home.file, AuthJson.codec), files)
    const store = yield* Effect.provide(FileCredentialStore.make(file, AuthJson.codec), files)
    const journal = yield* Effect.provide(FileRefreshJournal.make, files)
    return Context.make(Home.Home, home).pipe(
      Context.add(FileLock.FileLock, lock),
      Context.add(CredentialLock, lock),
      Context.add(AuthFile, file),
      Context.add(WritableStore, store),
      Context.add(CredentialStore, store),
      Context.add(RefreshJournal, journal),
      Context.add(Custody, LockedCustody.fromParts({ lock, store, journal })),
      Context.add(ClientRegistrations, yield* Effect.provideService(FileClientRegistrations.make, AuthFile, file)),
      Context.add(Host, NodeHost.make())
    )
  })
