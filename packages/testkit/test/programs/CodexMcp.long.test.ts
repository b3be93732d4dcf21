import { createHash } from "node:crypto"
import * as McpClients from "./mcpClients.js"
import { sharedTests } from "./shared.js"
import type * as Stage from "./stage.js"

const keyOf = ({ resource }: Stage.Stage): string => {
  const config = JSON.stringify({ type: "http", url: resource.url, headers: {} })
  return `files|${createHash("sha256").update(config).digest("hex").slice(0, 16)}`
}

interface Entry {
  readonly access_token: string
}

sharedTests({
  program: "codex",
  row: "codex, MCP servers",
  store: "codex-mcp",
  tenant: () => "mcp:files",
  file: ({ path }) => path(".codex", ".credentials.json"),
  surroundings: (stage) => ({
    [stage.path(".codex", "config.toml")]: [
      "mcp_oauth_credentials_store = \"file\"",
      "[mcp_servers.files]",
      `url = ${JSON.stringify(stage.resource.url)}`,
      ""
    ].join("\n")
  }),
  text: (stage) =>
    JSON.stringify({
      "other|0000000000000000": {
        server_name: "other",
        server_url: "https://other.example",
        client_id: "c",
        access_token: "é",
        expires_at: 18_446_744_073_709_551_615n.toString(),
        refresh_token: null,
        scopes: []
      },
      [keyOf(stage)]: {
        server_name: "files",
        server_url: stage.resource.url,
        client_id: stage.server.clientId,
        access_token: stage.login.access_token,
        expires_at: Date.now() + 3_600_000,
        refresh_token: stage.login.refresh_token,
        scopes: ["mcp:use"],
        issuer: stage.server.issuer
      }
    }).replace(`"18446744073709551615"`, "18446744073709551615"),
  stable: (text) =>
    text
      .replace(/("(?:access_token|refresh_token)": ?)"(?!é)[^"]*"/g, "$1\"\"")
      .replace(/("expires_at": ?)\d{1,13}\b/g, "$10"),
  expired: (text) => text.replace(/("expires_at": ?)1[0-9]{12}\b/, "$11000"),
  token: (text) =>
    Object.entries(JSON.parse(text) as Readonly<Record<string, Entry>>)
      .find(([key]) => key.startsWith("files|"))?.[1].access_token ?? "",
  use: (stage) => McpClients.codex(stage)
})
