/**
 * How finding out about an MCP server fails: by what a person does next. No message quotes a query, a password or what a
 * server said.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The address is not one that can be logged in to: name another one. Nothing was stored.
 *
 * @since 0.1.0
 * @category errors
 */
export class McpAddressRefused extends Schema.TaggedError<McpAddressRefused>()("McpAddressRefused", {
  reason: Schema.Literal(
    /** Not https, not a URL, or with a password in it. */
    "BadAddress",
    /** The server is somewhere else. */
    "Redirected",
    /** The server asks for no token and names no authorization server. */
    "NotProtected"
  ),
  message: Schema.String,
  advice: Schema.String
}) {}

/**
 * The server says something about itself that must not be believed: its operator has to correct it. Nothing was stored,
 * and no authorization server was asked.
 *
 * @since 0.1.0
 * @category errors
 */
export class McpServerRejected extends Schema.TaggedError<McpServerRejected>()("McpServerRejected", {
  reason: Schema.Literal(
    /** The address of its metadata is not https, or leads elsewhere. */
    "MetadataAddress",
    "MetadataUnreadable",
    /** The metadata is that of another resource. */
    "ResourceMismatch",
    /** No authorization server is named that may be asked. */
    "IssuerMissing",
    /** The metadata of the authorization server is that of another one (RFC 8414 section 3.3). */
    "IssuerMismatch"
  ),
  /** Without its query. */
  server: Schema.String,
  message: Schema.String,
  advice: Schema.String
}) {}

/**
 * The server cannot be asked now: try again. Nothing was stored.
 *
 * @since 0.1.0
 * @category errors
 */
export class McpServerUnavailable extends Schema.TaggedError<McpServerUnavailable>()("McpServerUnavailable", {
  reason: Schema.Literal("Transport", "Timeout", "RateLimited", "ServerError"),
  /** Without its query. */
  server: Schema.String,
  message: Schema.String,
  advice: Schema.String
}) {}

/**
 * Everything that finding out about an MCP server can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type McpError = McpAddressRefused | McpServerRejected | McpServerUnavailable

/**
 * Names a server in a message: without its query, which may hold a key.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (url: URL): string => `${url.origin}${url.pathname === "/" ? "" : url.pathname}`
