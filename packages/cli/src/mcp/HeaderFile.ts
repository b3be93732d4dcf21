/**
 * Further headers of every request, out of a file: some servers want a key beside the login, and every process of the
 * machine sees an argument.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { UsageError } from "../line/UsageError.js"
import * as SecretInput from "../terminal/SecretInput.js"
import type * as Stdin from "../terminal/Stdin.js"

const LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/

/** What the bridge itself says, or the connection does. */
const RESERVED = new Set([
  "accept",
  "authorization",
  "connection",
  "content-length",
  "content-type",
  "host",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade"
])

const usage = (message: string, advice: string) => new UsageError({ reason: "Input", message, advice })

/**
 * Reads headers, one `Name: value` on a line; empty lines and those that begin with # count for nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const read = (
  path: string
): Effect.Effect<Redacted.Redacted<Readonly<Record<string, string>>>, UsageError, Stdin.Stdin> =>
  path === "-"
    ? usage("--header-from: standard input is for the client", "name a file")
    : Effect.flatMap(SecretInput.read(path, "the headers"), (text) => {
      const headers: Record<string, string> = {}
      for (const [index, line] of Redacted.value(text).split(/\r?\n/).entries()) {
        if (line.trim() === "" || line.startsWith("#")) continue
        const [, name, value] = LINE.exec(line.trim()) ?? []
        if (name === undefined || value === undefined) {
          return usage(`--header-from: line ${index + 1} is not a header`, "write it as `Name: value`")
        }
        if (RESERVED.has(name.toLowerCase())) {
          return usage(`--header-from: line ${index + 1} is a header of the bridge's own`, `leave out ${name}`)
        }
        headers[name.toLowerCase()] = value
      }
      return Effect.succeed(Redacted.make(headers))
    })
