/**
 * The native file: credentials and unfinished logins of all tenants lie in one `auth.json`, and a writer of the one
 * copies the other.
 *
 * @since 0.1.0
 */
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AuthJson from "./AuthJson.js"
import * as Envelope from "./Envelope.js"
import { Home } from "./Home.js"
import type { FileLock } from "./locks/FileLock.js"
import * as SharedFile from "./SharedFile.js"

/**
 * `auth.json` of one home.
 *
 * @since 0.1.0
 * @category services
 */
export class AuthFile extends Context.Tag("@lockstep/node/AuthFile")<
  AuthFile,
  SharedFile.SharedFile<AuthJson.Document>
>() {}

/**
 * `auth.json` of a home as its envelope has it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOf = (
  path: (home: Home["Type"]) => string
): Layer.Layer<AuthFile, never, Home | FileLock | RefreshPolicy | Envelope.Envelope> =>
  Layer.effect(AuthFile, Effect.flatMap(Home, (home) => SharedFile.make(path(home), AuthJson.codec)))

/**
 * `auth.json` of a home in the clear, readable for its owner alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<AuthFile, never, Home | FileLock | RefreshPolicy> = Layer.provide(
  layerOf((home) => home.file),
  Envelope.layerPlain
)
