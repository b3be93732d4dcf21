import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import * as CredentialLock from "@lockstep/core/CredentialLock"
import * as CredentialStore from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as Host from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as WritableStore from "@lockstep/core/WritableStore"
import type { Callback } from "@lockstep/oauth/Callback"
import { Login } from "@lockstep/oauth/Login"
import * as LoginDriver from "@lockstep/oauth/LoginDriver"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import type { OAuthVendor } from "@lockstep/oauth/OAuthVendor"
import { generic } from "@lockstep/oauth/OAuthVendor"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import type { VendorEmulator } from "@lockstep/testkit/vendors/VendorEmulator"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as CallbackPort from "./CallbackPort.js"
import * as Internet from "./Internet.js"
import type * as VirtualClock from "./VirtualClock.js"

/**
 * One vendor's emulator and everything that the command would wire around it, in memory.
 */
export interface Stage {
  readonly vendor: OAuthVendor
  readonly emulator: VendorEmulator
  readonly clock: VirtualClock.VirtualClock
  readonly port: CallbackPort.CallbackPort
  readonly visit: Internet.Internet["visit"]
  readonly login: Login["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly coordinator: RefreshCoordinator.RefreshCoordinator["Type"]
  readonly writer: CredentialWriter.CredentialWriter["Type"]
  readonly store: CredentialStore.CredentialStore["Type"]
  readonly pending: PendingLogins.PendingLogins["Type"]
  readonly settings: VendorSettings.VendorSettings["Type"]
  /** Runs something that waits for time: whenever nothing else is waited for, the clock goes on. */
  readonly passTime: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** A fiber that sleeps longer than this waits for a person, and time does not answer. Milliseconds. */
const LONGEST_PAUSE = 60_000

/** What a fiber does between the end of a request and its next wait takes less turns of the event loop than this. */
const QUIET_TURNS = 4

const turn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

const passTime = (
  clock: VirtualClock.VirtualClock,
  internet: Internet.Internet
) =>
<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.scoped(Effect.gen(function*() {
    const fiber = yield* Effect.forkScoped(effect)
    let quiet = 0
    while ((yield* Fiber.poll(fiber))._tag === "None") {
      yield* turn
      quiet = internet.isBusy() ? 0 : quiet + 1
      if (quiet < QUIET_TURNS || clock.next() - clock.now() > LONGEST_PAUSE) continue
      clock.advanceTo(clock.next())
      quiet = 0
    }
    return yield* Fiber.join(fiber)
  }))

/** A record of the generic vendor names none, and a mutant of it must be found all the same. */
const registry = (vendor: OAuthVendor): Layer.Layer<VendorRegistry.VendorRegistry> =>
  vendor.id === generic.id
    ? Layer.succeed(VendorRegistry.VendorRegistry, { all: [vendor], find: () => Option.some(vendor), of: () => vendor })
    : VendorRegistry.layer([vendor])

/**
 * Builds a stage. `environment` is all that there is of variables.
 */
export const make = (options: {
  readonly vendor: OAuthVendor
  readonly emulator: Effect.Effect<VendorEmulator, never, Scope.Scope>
  readonly environment: Readonly<Record<string, string>>
  readonly callback: Option.Option<Layer.Layer<Callback>>
  readonly clock: VirtualClock.VirtualClock
}): Effect.Effect<Stage, never, Scope.Scope> =>
  Effect.gen(function*() {
    const emulator = yield* options.emulator
    const internet = yield* Internet.make(emulator)
    const port = CallbackPort.make()

    const machine = Layer.mergeAll(
      WritableStore.layerMemory,
      CredentialLock.layerMemory,
      RefreshJournal.layerMemory,
      PendingLogins.layerMemory,
      ClientRegistrations.layerMemory,
      Host.layerMemory,
      RefreshPolicy.layerDefaults,
      VendorSettings.layerMemory,
      registry(options.vendor),
      internet.layer,
      Option.getOrElse(options.callback, () => port.layer)
    )
    const services = yield* Layer.build(
      Layer.mergeAll(LoginDriver.layer, RefreshCoordinator.layer).pipe(
        Layer.provideMerge(CredentialWriter.layer),
        Layer.provideMerge(OAuthTokenEndpoint.layer),
        Layer.provideMerge(LockedCustody.layer),
        Layer.provideMerge(machine)
      )
    ).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(options.environment)))))

    return {
      vendor: options.vendor,
      emulator,
      clock: options.clock,
      port,
      visit: internet.visit,
      login: Context.get(services, Login),
      endpoint: Context.get(services, TokenEndpoint),
      coordinator: Context.get(services, RefreshCoordinator.RefreshCoordinator),
      writer: Context.get(services, CredentialWriter.CredentialWriter),
      store: Context.get(services, CredentialStore.CredentialStore),
      pending: Context.get(services, PendingLogins.PendingLogins),
      settings: Context.get(services, VendorSettings.VendorSettings),
      passTime: passTime(options.clock, internet)
    }
  })
