/**
 * What a keeper says of itself: that it lives, and the OpenAPI document of its interface.
 *
 * @since 0.1.0
 */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Answers from "./Answers.js"
import { KeeperApi, openApi } from "./KeeperApi.js"

/**
 * The endpoints. The document is made when it is asked for.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = HttpApiBuilder.group(
  KeeperApi,
  "document",
  (handlers) =>
    handlers
      .handle("alive", () => Effect.succeed(Answers.json({ alive: true })))
      .handle("openapi", () => Effect.sync(() => Answers.json(openApi())))
)
