import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { importedTests } from "./imported.js"

interface State {
  readonly tokens: { readonly accessToken: string }
}

importedTests({
  program: "opencode",
  row: "opencode, MCP servers",
  tool: "opencode",
  tenant: "mcp:files",
  refreshes: false,
  file: ({ path }) => path(".local", "share", "opencode", "mcp-auth.json"),
  surroundings: (stage) => ({
    [stage.path(".config", "opencode", "opencode.json")]: JSON.stringify({
      mcp: { files: { type: "remote", url: stage.resource.url, enabled: true } }
    })
  }),
  text: (stage) =>
    JSON.stringify({
      files: {
        tokens: {
          accessToken: stage.login.access_token,
          refreshToken: stage.login.refresh_token,
          expiresAt: 1_000,
          scope: "mcp:use"
        },
        clientInfo: { clientId: stage.server.clientId },
        serverUrl: stage.resource.url
      }
    }),
  token: (text) => (JSON.parse(text) as Readonly<Record<string, State>>)["files"]?.tokens.accessToken ?? "",
  use: (stage) =>
    Effect.gen(function*() {
      const { stderr, stdout } = yield* Effect.flatMap(stage.start("opencode", ["mcp", "list", "--pure"]), stage.ended)
      assert.match(stdout, /files \S*connected/, stderr)
    }).pipe(Effect.scoped)
})
