/**
 * The operating system's keyring as a kind of store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { others } from "../internal/others.js"
import * as KeyringTimeout from "../keyring/KeyringTimeout.js"
import type { StoreDescriptor } from "./StoreDescriptor.js"

/**
 * The keyring of this user's session.
 *
 * @since 0.1.0
 * @category stores
 */
export const store: StoreDescriptor = {
  name: "keyring",
  limits: Effect.map(KeyringTimeout.config, KeyringTimeout.limits),
  ports: (options) =>
    Layer.unwrapEffect(
      Effect.map(
        others,
        ({ KeyringHome, NativeKeyring }) => Layer.provide(KeyringHome.layer(options), NativeKeyring.layer)
      )
    ),
  side: (lease) => Effect.flatMap(others, ({ MoveSides }) => MoveSides.ofKeyring(lease))
}
