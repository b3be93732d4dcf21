/**
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as JsonObject from "./JsonObject.js"

/**
 * Reads the claims of a JWT without verifying it: it came from the token endpoint, and nothing here is authorised by
 * what it says.
 *
 * @since 0.1.0
 * @category getters
 */
export const claims = (token: string): Option.Option<JsonObject.JsonObject> => {
  const parts = token.split(".")
  return parts.length !== 3
    ? Option.none()
    : Option.flatMap(Either.getRight(Encoding.decodeBase64UrlString(parts[1]!)), JsonObject.parse)
}
