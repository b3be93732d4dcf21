/** Change signals of a store in memory: a write for one tenant wakes and invalidates no other. */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { TenantId } from "../TenantId.js"

export interface TenantSignals {
  readonly touch: (tenant: TenantId) => Effect.Effect<void>
  readonly epoch: (tenant: TenantId) => number
  readonly changes: (tenant: TenantId) => Effect.Effect<Queue.Dequeue<void>, never, Scope.Scope>
}

export const make = (): TenantSignals => {
  const epochs = new Map<TenantId, number>()
  const pubsubs = new Map<TenantId, PubSub.PubSub<void>>()
  const epoch = (tenant: TenantId) => epochs.get(tenant) ?? 0
  return {
    epoch,
    touch: (tenant) =>
      Effect.suspend(() => {
        epochs.set(tenant, epoch(tenant) + 1)
        const pubsub = pubsubs.get(tenant)
        return pubsub === undefined ? Effect.void : PubSub.publish(pubsub, undefined)
      }),
    changes: (tenant) =>
      Effect.flatMap(
        Effect.suspend(() => {
          const pubsub = pubsubs.get(tenant)
          return pubsub === undefined
            ? Effect.tap(PubSub.sliding<void>(1), (made) => Effect.sync(() => pubsubs.set(tenant, made)))
            : Effect.succeed(pubsub)
        }),
        PubSub.subscribe
      )
  }
}
