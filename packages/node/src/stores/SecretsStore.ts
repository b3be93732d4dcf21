/**
 * The encrypted file as a kind of store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { others } from "../internal/others.js"
import * as KeyringTimeout from "../keyring/KeyringTimeout.js"
import type { StoreDescriptor } from "./StoreDescriptor.js"

/**
 * `auth.json.sealed`, whose key is in the keyring or in a file of its own.
 *
 * @since 0.1.0
 * @category stores
 */
export const store: StoreDescriptor = {
  name: "secrets",
  // The key may be in the keyring, and is asked for while the tenant is held.
  limits: Effect.map(KeyringTimeout.config, KeyringTimeout.limits),
  ports: (options) =>
    Layer.unwrapEffect(
      Effect.map(
        others,
        ({ NativeKeyring, SecretsHome }) => Layer.provide(SecretsHome.layer(options), NativeKeyring.layer)
      )
    ),
  side: (lease) => Effect.flatMap(others, ({ MoveSides }) => MoveSides.ofSecrets(lease))
}
