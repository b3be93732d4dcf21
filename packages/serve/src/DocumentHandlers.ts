/**
 * The OpenAPI document of the interface.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Answers from "./Answers.js"
import { KeeperApi, openApi } from "./KeeperApi.js"

/**
 * The endpoint of the document. It is made when it is asked for.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = HttpApiBuilder.group(
  KeeperApi,
  "document",
  (handlers) => handlers.handle("openapi", () => Effect.sync(() => Answers.json(openApi())))
)
