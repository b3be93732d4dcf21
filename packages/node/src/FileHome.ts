/**
 * Everything of a home whose store is the plain file, wired.
 *
 * @since 0.1.0
 */
import type { ClientRegistrations } from "@lockstep/core/ClientRegistrations"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import { PendingLogins } from "@lockstep/core/PendingLogins"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as FilePendingLogins from "./FilePendingLogins.js"
import type * as Home from "./Home.js"
import type * as LockedPorts from "./LockedPorts.js"
import * as RefreshHome from "./RefreshHome.js"

type Options = Omit<Home.Options, "store">

/**
 * Makes the ports of the refresh transaction on this machine: `auth.json` with credentials and unfinished logins, its kernel
 * locks and its journals.
 *
 * Building it opens, creates and locks nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<
  Context.Context<LockedPorts.Ports | PendingLogins | ClientRegistrations>,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy | Scope.Scope
> =>
  Effect.gen(function*() {
    const ports = yield* RefreshHome.make(options)
    return Context.add(ports, PendingLogins, yield* Effect.provide(FilePendingLogins.make, ports))
  })

/**
 * The ports of the refresh transaction on this machine: `auth.json` with credentials and unfinished logins, its kernel locks
 * and its journals.
 *
 * Building it opens, creates and locks nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<
  LockedPorts.Ports | PendingLogins | ClientRegistrations,
  ConfigError.ConfigError | CredentialStoreError,
  RefreshPolicy
> => Layer.scopedContext(make(options))
