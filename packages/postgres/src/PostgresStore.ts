/**
 * The shared database as a kind of store.
 *
 * @since 0.1.0
 */
import { Home } from "@lockstep/node/Home"
import type { StoreDescriptor } from "@lockstep/node/stores/StoreDescriptor"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PostgresHome from "./PostgresHome.js"
import * as PostgresMoveSide from "./PostgresMoveSide.js"

/** What a host that vanished is still taken for alive: its connection is given up after this. */
const AFTER_DEATH = Duration.seconds(20)

/**
 * A database that many hosts share.
 *
 * @since 0.1.0
 * @category stores
 */
export const store: StoreDescriptor = {
  name: PostgresHome.NAME,
  keepsJournals: true,
  limits: Effect.succeed({ afterDeath: AFTER_DEATH }),
  ports: (options) => PostgresHome.layer(options),
  side: () =>
    Effect.flatMap(
      Home,
      ({ directory }) => PostgresMoveSide.make(PostgresHome.layerUnpinned({ directory }))
    )
}
