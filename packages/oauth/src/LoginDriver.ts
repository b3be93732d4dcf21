/**
 * Logs people in: the flows of {@link Login} over the descriptors of vendors.
 *
 * @since 0.1.0
 */
import type { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialWriter } from "@lockstep/core/CredentialWriter"
import type { Host } from "@lockstep/core/Host"
import type { PendingLogins } from "@lockstep/core/PendingLogins"
import type { RefreshJournal } from "@lockstep/core/RefreshJournal"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import type { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Callback } from "./Callback.js"
import type { Fetch } from "./Fetch.js"
import { Login } from "./Login.js"
import type { VendorRegistry } from "./VendorRegistry.js"
import type { VendorSettings } from "./VendorSettings.js"

/**
 * Everything that logging in needs.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements =
  | Fetch
  | VendorRegistry
  | VendorSettings
  | Callback
  | PendingLogins
  | CredentialStore
  | CredentialWriter
  | RefreshJournal
  | RefreshPolicy
  | Host
  | TokenEndpoint

/**
 * Logs people in to the vendors of a registry.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Login, never, Requirements> = Layer.effect(
  Login,
  Effect.dieMessage("the login driver is being built")
)
