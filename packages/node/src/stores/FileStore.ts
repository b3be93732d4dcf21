/**
 * The plain file as a kind of store.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileHome from "../FileHome.js"
import { others } from "../internal/others.js"
import type { StoreDescriptor } from "./StoreDescriptor.js"

/**
 * `auth.json`, readable for its owner alone.
 *
 * @since 0.1.0
 * @category stores
 */
export const store: StoreDescriptor = {
  name: "file",
  limits: Effect.succeed({}),
  ports: FileHome.layer,
  side: (lease) => Effect.flatMap(others, ({ MoveSides }) => MoveSides.ofFile(lease))
}
