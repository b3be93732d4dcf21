import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sharedTests } from "./shared.js"
import type * as Stage from "./stage.js"

interface State {
  readonly tokens: { readonly access_token: string }
}

const keyOf = ({ resource }: Stage.Stage): string => `mcp__files|${resource.url}`

const file = (stage: Stage.Stage): string => stage.path(".pi", "agent", "mcp-auth.json")

sharedTests({
  program: "pi",
  row: "pi, MCP servers",
  store: "pi-mcp",
  tenant: () => "mcp:files",
  file,
  surroundings: (stage) => ({
    [stage.path(".pi", "agent", "mcp.json")]: JSON.stringify({ mcpServers: { files: { url: stage.resource.url } } })
  }),
  text: (stage) =>
    JSON.stringify(
      {
        "mcp__other|https://other.example/mcp": { serverUrl: "https://other.example/mcp", oauthState: "é\u0001" },
        [keyOf(stage)]: {
          serverUrl: stage.resource.url,
          clientInformation: {
            client_id: stage.server.clientId,
            redirect_uris: ["http://127.0.0.1/callback"],
            token_endpoint_auth_method: "none"
          },
          tokens: {
            access_token: stage.login.access_token,
            refresh_token: stage.login.refresh_token,
            token_type: "Bearer",
            expires_in: 3600
          },
          tokensExpireAt: Date.now() + 3_600_000,
          discovery: {
            authorizationServerUrl: stage.server.issuer,
            resourceMetadata: { resource: stage.resource.url, authorization_servers: [stage.server.issuer] }
          }
        }
      },
      null,
      2
    ) + "\n",
  stable: (text) =>
    text.replace(/("(?:access_token|refresh_token|id_token)": )"[^"]*"/g, "$1\"\"").replace(
      /("(?:tokensExpireAt|expires_in)": )\d+/g,
      "$10"
    ),
  expired: (text) => text.replace(/("tokensExpireAt": )\d+/, "$11000"),
  token: (text) => {
    const states = JSON.parse(text) as Readonly<Record<string, Partial<State>>>
    return Object.values(states).flatMap(({ tokens }) => tokens === undefined ? [] : [tokens.access_token])[0] ?? ""
  },
  use: (stage) =>
    Effect.gen(function*() {
      const { stdout } = yield* Effect.flatMap(stage.start("pi", ["mcp", "list", "--json"]), stage.ended)
      const [server] = (JSON.parse(stdout) as { readonly servers: ReadonlyArray<{ readonly state: string }> }).servers
      assert.strictEqual(server?.state, "connected", stdout)
    }).pipe(Effect.scoped)
})
