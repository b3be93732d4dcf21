import { importedTests } from "./imported.js"
import * as McpClients from "./mcpClients.js"

interface Entry {
  readonly serverName: string
  readonly token: { readonly accessToken: string }
}

importedTests({
  program: "gemini",
  row: "Gemini CLI, MCP servers",
  tool: "gemini",
  tenant: "mcp:files",
  refreshes: true,
  file: ({ path }) => path(".gemini", "mcp-oauth-tokens.json"),
  surroundings: (stage) => ({
    [stage.path(".gemini", "settings.json")]: JSON.stringify({
      mcpServers: { files: { httpUrl: stage.resource.url, oauth: { enabled: true, clientId: stage.server.clientId } } },
      security: { folderTrust: { enabled: false } }
    })
  }),
  text: (stage) =>
    JSON.stringify([{
      serverName: "files",
      token: {
        accessToken: stage.login.access_token,
        refreshToken: stage.login.refresh_token,
        tokenType: "Bearer",
        scope: "mcp:use",
        expiresAt: 1_000
      },
      clientId: stage.server.clientId,
      tokenUrl: stage.server.tokenEndpoint,
      mcpServerUrl: stage.resource.url,
      updatedAt: 1_000
    }]),
  token: (text) =>
    (JSON.parse(text) as ReadonlyArray<Entry>).find(({ serverName }) => serverName === "files")?.token.accessToken ??
      "",
  use: (stage) => McpClients.gemini(stage)
})
