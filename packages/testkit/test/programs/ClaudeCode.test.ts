import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { sharedTests } from "./shared.js"
import type * as Stage from "./stage.js"

const keyOf = ({ resource }: Stage.Stage): string => {
  const config = JSON.stringify({ type: "http", url: resource.url, headers: {} })
  return `files|${createHash("sha256").update(config).digest("hex").slice(0, 16)}`
}

const TOKENS = /("(?:accessToken|refreshToken)":)"[^"]*"/g

sharedTests({
  program: "claude",
  row: "Claude Code, MCP servers",
  store: "claude-code",
  tenant: () => "mcp:files",
  file: ({ path }) => path(".claude", ".credentials.json"),
  surroundings: (stage) => ({
    [stage.path(".claude.json")]: JSON.stringify({
      hasCompletedOnboarding: true,
      mcpServers: { files: { type: "http", url: stage.resource.url } }
    })
  }),
  text: (stage) =>
    JSON.stringify({
      mcpOAuth: {
        "other|0": { serverName: "other", serverUrl: "https://other.example", accessToken: "", note: "é\u0001" },
        [keyOf(stage)]: {
          serverName: "files",
          serverUrl: stage.resource.url,
          accessToken: stage.login.access_token,
          refreshToken: stage.login.refresh_token,
          expiresAt: Date.now() + 3_600_000,
          scope: "mcp:use",
          clientId: stage.server.clientId,
          issuer: stage.server.issuer,
          redirectUri: "http://localhost:3118/callback",
          discoveryState: { authorizationServerUrl: stage.server.issuer, oauthMetadataFound: true }
        }
      },
      organizationUuid: "0-0"
    }),
  stable: (text) => text.replace(TOKENS, "$1\"\"").replace(/("expiresAt":)\d+/g, "$10"),
  expired: (text) => text.replace(/("expiresAt":)\d+/, "$11000"),
  token: (text) => /"serverName":"files".*?"accessToken":"([^"]*)"/.exec(text)?.[1] ?? "",
  use: (stage) =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* Effect.flatMap(stage.start("claude", ["mcp", "list"]), stage.ended)
      assert.include(stdout, "Connected", stderr)
    }).pipe(Effect.scoped)
})
