/**
 * The authorization servers of MCP servers, by the rules of MCP authorization (version 2026-07-28 of the specification).
 *
 * @since 0.1.0
 */
import * as OAuthVendor from "../OAuthVendor.js"

/**
 * An MCP server: any OAuth server, held to what it promises. It is in no registry, since it has no address of its own: who
 * issues the tokens of one is found out by asking it.
 *
 * @since 0.1.0
 * @category vendors
 */
export const mcp: OAuthVendor.OAuthVendor = OAuthVendor.make({ id: "mcp", name: "MCP server", strict: true })
