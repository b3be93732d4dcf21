/** Change signals of a store in memory: a write for one tenant wakes and invalidates no other. */
import * as Effect from "effect/Effect"
import type { CredentialStore } from "../CredentialStore.js"
import { queued } from "../CredentialStore.js"
import type { TenantId } from "../TenantId.js"
import * as Listeners from "./listeners.js"

export interface TenantSignals extends Pick<CredentialStore["Type"], "changes" | "epoch" | "listen"> {
  readonly touch: (tenant: TenantId) => Effect.Effect<void>
}

export const make = (): TenantSignals => {
  const epochs = new Map<TenantId, number>()
  const listeners = new Map<TenantId, Listeners.Listeners>()
  const epoch = (tenant: TenantId) => epochs.get(tenant) ?? 0
  const listen = (tenant: TenantId, callback: () => void) => {
    const present = listeners.get(tenant) ?? Listeners.make()
    listeners.set(tenant, present)
    return present.add(callback)
  }
  return {
    epoch,
    touch: (tenant) =>
      Effect.sync(() => {
        epochs.set(tenant, epoch(tenant) + 1)
        listeners.get(tenant)?.call()
      }),
    listen,
    changes: (tenant) => queued((callback) => listen(tenant, callback))
  }
}
