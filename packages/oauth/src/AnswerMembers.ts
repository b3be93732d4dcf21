/**
 * The members of an answer, JSON or form, by what its text is and not by what it is called: forms arrive as `text/plain`
 * and `text/html`, JSON as a form, and either without any type.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as JsonObject from "./JsonObject.js"
import type { WireAnswer } from "./WireExchange.js"

const isLabelledForm = (contentType: string): boolean => contentType.startsWith("application/x-www-form-urlencoded")

/** No space, no quotation mark, no angle bracket: no page and no sentence. */
const FORM = /^[^\s"<>{}]+$/

/** A text that is called something else is a form where it has a member that forms of OAuth have. */
const formIn = (text: string, contentType: string): Option.Option<JsonObject.JsonObject> => {
  const isForm = isLabelledForm(contentType) ||
    (FORM.test(text) && /(?:^|&)(?:access_token|error|device_code)=/.test(text))
  return isForm ? Option.some(Object.fromEntries(new URLSearchParams(text))) : Option.none()
}

/**
 * Reads an answer's members. The beginning of a form reads like the whole of it, so one that was cut short has no
 * members; JSON says itself where it ends.
 *
 * @since 0.1.0
 * @category decoding
 */
export const read = (
  { body, contentType, end }: Pick<WireAnswer, "body" | "contentType" | "end">
): Option.Option<JsonObject.JsonObject> => {
  const text = Redacted.value(body).trim()
  return Option.orElse(
    JsonObject.parse(text),
    () => end === "Whole" || end === "Open" ? formIn(text, contentType) : Option.none()
  )
}
