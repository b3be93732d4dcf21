/**
 * Lockstep's own lock and wait: the kernel lock behind a watch, a burst of tries and a jittered backoff.
 *
 * @since 0.1.0
 */
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import * as LockWait from "@lockstep/core/LockWait"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as FileHome from "@lockstep/node/FileHome"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TENANT } from "../Contender.js"
import type { Mutex } from "../Mutex.js"

/**
 * The lock of one tenant.
 *
 * @since 0.1.0
 * @category constructors
 */
export const mutex: Mutex = {
  name: "lockstep",
  label: "Lockstep",
  open: (directory) =>
    Effect.map(
      Layer.build(Layer.provide(FileHome.layer({ directory }), RefreshPolicy.layerDefaults)),
      (context) =>
        Effect.asVoid(LockWait.acquire(
          Context.get(context, CredentialLock),
          LockTarget.Tenant({ tenant: TenantId.make(TENANT) }),
          { timeout: RefreshPolicy.defaults.lockTimeout, label: TENANT }
        ))
    )
}
