/**
 * Tokens in the JSON of other tools, wrapped from the first read to the last write.
 *
 * @since 0.1.0
 */
import type * as JsonTree from "@lockstep/node/JsonTree"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ToolDocument } from "./ToolFile.js"
import * as ToolJson from "./ToolJson.js"

/**
 * Reads a member that is a token; other tools blank what they have lost.
 *
 * @since 0.1.0
 * @category getters
 */
export const read = (
  document: ToolDocument,
  parent: JsonTree.JsonObject,
  name: string
): Option.Option<Redacted.Redacted> => Option.map(ToolJson.filled(document, parent, name), Redacted.make)

/**
 * The text of a token, which must go nowhere but into the tool's file.
 *
 * @since 0.1.0
 * @category getters
 */
export const reveal = (token: Option.Option<Redacted.Redacted>): Option.Option<string> =>
  Option.map(token, Redacted.value)

/**
 * The text of a token, blank where there is no token.
 *
 * @since 0.1.0
 * @category getters
 */
export const orBlank = (token: Option.Option<Redacted.Redacted>): string => Option.getOrElse(reveal(token), () => "")
