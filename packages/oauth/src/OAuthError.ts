/**
 * Errors as token endpoints write them: `{"error":"code"}` of RFC 6749, `{"error":{"code":…}}`,
 * `{"type":"error","error":{"type":…}}`, a bare `code`, AWS's `__type`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as JsonObject from "./JsonObject.js"

/**
 * Reads all that may be an error code, the most specific first, in lower case.
 *
 * @since 0.1.0
 * @category getters
 */
export const codes = (body: JsonObject.JsonObject): ReadonlyArray<string> => {
  const nested = JsonObject.object(body, "error")
  return [
    Option.flatMap(nested, (error) => JsonObject.text(error, "code")),
    Option.flatMap(nested, (error) => JsonObject.text(error, "type")),
    JsonObject.text(body, "error"),
    JsonObject.text(body, "code"),
    JsonObject.text(body, "__type")
  ]
    .flatMap(Option.toArray)
    // AWS puts a namespace before its codes: `com.amazonaws.ssooidc#InvalidGrantException`.
    .map((code) => code.slice(code.lastIndexOf("#") + 1).trim().toLowerCase())
}

/**
 * Reads the server's explanation. It may quote what it was sent.
 *
 * @since 0.1.0
 * @category getters
 */
export const description = (body: JsonObject.JsonObject): Option.Option<string> =>
  Option.firstSomeOf([
    JsonObject.text(body, "error_description"),
    Option.flatMap(JsonObject.object(body, "error"), (error) => JsonObject.text(error, "message")),
    JsonObject.text(body, "message")
  ])

/**
 * Whether a body calls itself an error, whatever its status is.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isError = (body: JsonObject.JsonObject): boolean =>
  Option.isSome(JsonObject.text(body, "error")) || Option.isSome(JsonObject.object(body, "error"))
