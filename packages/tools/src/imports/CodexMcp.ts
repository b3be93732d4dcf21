/**
 * codex's logins at MCP servers, read as its store reads them. By default codex keeps them in the keyring, where there is
 * one, and only there: a file without them does not prove that there is no login.
 *
 * @since 0.1.0
 */
import * as Path from "node:path"
import * as CodexMcp from "../adapters/CodexMcp.js"
import { ToolEntry } from "./ToolEntry.js"
import * as ToolFileImport from "./ToolFileImport.js"
import type { Machine, ToolImport } from "./ToolImport.js"

const settings = (machine: Machine): string =>
  machine.text(Path.join(Path.dirname(CodexMcp.tool.locate(machine)), "config.toml"))

const HAS_SERVERS = /^[ \t]*\[mcp_servers\./m
const IN_FILE = /^[ \t]*mcp_oauth_credentials_store[ \t]*=[ \t]*["']file["']/m

/**
 * codex, for its MCP servers.
 *
 * @since 0.1.0
 * @category tools
 */
export const codexMcp: ToolImport = {
  ...ToolFileImport.make(CodexMcp.tool),
  elsewhere: (machine) => {
    const text = settings(machine)
    return HAS_SERVERS.test(text) && !IN_FILE.test(text)
      ? [ToolEntry.Elsewhere({
        name: "mcp",
        place: "the keyring (service Codex MCP Credentials), which only codex reads",
        instead: "set mcp_oauth_credentials_store = \"file\" in codex's config.toml and log in there again with "
          + "`codex mcp login NAME`; or make a login of its own with `lockstep login URL`"
      })]
      : []
  }
}
