import * as JsonRpc from "../JsonRpc.js"

/**
 * Since 2026-07-28 the headers of a request repeat what it is about, so that a server on the way does not have to read
 * its body.
 */
const NAMED_BY: Readonly<Record<string, string>> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId"
}

const PREFIX = "=?base64?"
const SUFFIX = "?="

const isPlain = (text: string): boolean =>
  /^[\t -~]+$/.test(text) && text === text.trim() && !(text.startsWith(PREFIX) && text.endsWith(SUFFIX))

const encode = (text: string): string =>
  isPlain(text)
    ? text
    : `${PREFIX}${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}${SUFFIX}`

/** The headers that a request has of its own; none before that revision. */
export const of = (message: JsonRpc.Message): Readonly<Record<string, string>> => {
  const version = JsonRpc.isRequest(message) ? JsonRpc.versionOf(message) : undefined
  if (version === undefined || message.method === undefined) return {}
  const { method, params } = message
  const name = Object.hasOwn(NAMED_BY, method) ? JsonRpc.member(params, NAMED_BY[method]!) : undefined
  return {
    "mcp-protocol-version": version,
    "mcp-method": method,
    ...(typeof name === "string" ? { "mcp-name": encode(name) } : {})
  }
}
