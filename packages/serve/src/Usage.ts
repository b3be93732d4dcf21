/**
 * Which tenants were asked for of late: they are kept fresh, and no other.
 *
 * @since 0.1.0
 */
import type { TenantId } from "@lockstep/core/TenantId"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * How long after it was asked for a tenant counts as used.
 *
 * @since 0.1.0
 * @category constants
 */
export const RECENT: Duration.Duration = Duration.days(1)

/**
 * What was used.
 *
 * @since 0.1.0
 * @category services
 */
export class Usage extends Context.Tag("@lockstep/serve/Usage")<Usage, {
  /** A token of this tenant was handed out now. */
  readonly note: (tenant: TenantId) => Effect.Effect<void>
  /** The tenants that were used in the last day. */
  readonly recent: Effect.Effect<ReadonlyArray<TenantId>>
  /** Tells of each use from now on. */
  readonly follow: (used: (tenant: TenantId) => Effect.Effect<void>) => Effect.Effect<void>
}>() {}

/**
 * Keeps it in memory. What was not used for a day is forgotten.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Usage> = Layer.sync(Usage, () => {
  const used = new Map<TenantId, number>()
  const followers: Array<(tenant: TenantId) => Effect.Effect<void>> = []
  return Usage.of({
    note: (tenant) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        used.set(tenant, now)
        return Effect.forEach(followers, (follow) => follow(tenant), { discard: true })
      }),
    follow: (follow) => Effect.sync(() => void followers.push(follow)),
    recent: Effect.map(Clock.currentTimeMillis, (now) => {
      for (const [tenant, at] of used) if (now - at > Duration.toMillis(RECENT)) used.delete(tenant)
      return [...used.keys()]
    })
  })
})
