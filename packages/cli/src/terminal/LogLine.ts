/**
 * @since 0.1.0
 */
import * as Printable from "@lockstep/core/Printable"
import * as HashMap from "effect/HashMap"
import * as Inspectable from "effect/Inspectable"
import type * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Style from "./Style.js"

const text = (value: unknown): string => {
  if (typeof value === "string") return value
  if (typeof value !== "object" || value === null || Array.isArray(value)) return Inspectable.toStringUnknown(value, 0)
  return Object.entries(value).map(([key, member]) => `${key}=${Inspectable.toStringUnknown(member, 0)}`).join(" ")
}

/** Fields for programs that collect logs. The message has said the same to a person. */
const SAID = new Set(["tenant", "error", "reason", "generation", "from", "to", "path"])

/**
 * Renders one log entry as one line for stderr: level, message, advice, and the fields that the message does not say. A
 * cause is left out: the messages of foreign errors may quote what they could not parse.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (entry: Logger.Logger.Options<unknown>, style: Style.Style): string => {
  const message = (Array.isArray(entry.message) ? entry.message : [entry.message]).map(text).join(" ")
  const fields = [...HashMap.entries(entry.annotations)].sort(([a], [b]) => a < b ? -1 : 1)
  const advice = fields.flatMap(([key, value]) => key === "advice" ? [`; ${text(value)}`] : []).join("")
  const annotations = fields.flatMap(([key, value]) =>
    SAID.has(key) || key === "advice" ? [] : [`${key}=${text(value)}`]
  )
  const level = entry.logLevel._tag === "Warning" ? "warning" : entry.logLevel.label.toLowerCase()
  const colour = LogLevel.greaterThanEqual(entry.logLevel, LogLevel.Error)
    ? style.red
    : LogLevel.greaterThanEqual(entry.logLevel, LogLevel.Warning)
    ? style.yellow
    : style.dim
  return `${colour(`lockstep: ${level}:`)} ${Printable.line([`${message}${advice}`, ...annotations].join(" "))}\n`
}
