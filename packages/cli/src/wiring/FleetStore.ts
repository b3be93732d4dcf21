/**
 * The shared database among the kinds of store, loaded only by a command whose store it is.
 *
 * @since 0.1.0
 */
import type { StoreDescriptor } from "@lockstep/node/stores/StoreDescriptor"
import * as Stores from "@lockstep/node/stores/Stores"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const loaded = Effect.promise(() => import("./Fleet.js"))

/**
 * The shared database.
 *
 * @since 0.1.0
 * @category stores
 */
export const store: StoreDescriptor = {
  name: "postgres",
  keepsJournals: true,
  limits: Effect.flatMap(loaded, ({ PostgresStore }) => PostgresStore.store.limits),
  ports: (options) => Layer.unwrapEffect(Effect.map(loaded, ({ PostgresStore }) => PostgresStore.store.ports(options))),
  side: (lease) => Effect.flatMap(loaded, ({ PostgresStore }) => PostgresStore.store.side(lease))
}

/**
 * Every kind of store that the command knows.
 *
 * @since 0.1.0
 * @category constants
 */
export const kinds: ReadonlyArray<StoreDescriptor> = [...Stores.all, store]

/**
 * Their names.
 *
 * @since 0.1.0
 * @category constants
 */
export const names = kinds.map(({ name }) => name)

/**
 * Makes them known.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Stores.StoreKinds> = Layer.succeed(Stores.StoreKinds, kinds)
