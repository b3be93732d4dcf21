import * as ClaudeCode from "./claudeCode.js"
import * as McpClients from "./mcpClients.js"
import { sharedTests } from "./shared.js"

const TOKENS = /("(?:accessToken|refreshToken)":)"[^"]*"/g

sharedTests({
  program: "claude",
  row: "Claude Code, MCP servers",
  store: "claude-code",
  tenant: () => "mcp:files",
  file: ClaudeCode.file,
  surroundings: ClaudeCode.surroundings,
  text: ClaudeCode.text,
  stable: (text) => text.replace(TOKENS, "$1\"\"").replace(/("expiresAt":)\d+/g, "$10"),
  expired: ClaudeCode.expired,
  token: ClaudeCode.token,
  use: (stage) => McpClients.claude(stage)
})
