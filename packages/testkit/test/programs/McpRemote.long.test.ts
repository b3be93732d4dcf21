import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { sharedTests } from "./shared.js"
import * as Stage from "./stage.js"

/** The port of its callback, to which a registered client is bound. No person logs in here. */
const PORT = "33341"

const file = ({ path, resource }: Stage.Stage, name: string): string =>
  path(".mcp-auth", "mcp-remote-v1", `${createHash("md5").update(resource.url).digest("hex")}_${name}.json`)

sharedTests({
  program: "mcp-remote",
  row: "mcp-remote",
  store: ({ resource }) => `mcp-remote:${resource.url}`,
  tenant: ({ resource }) => `mcp:${createHash("md5").update(resource.url).digest("hex")}`,
  file: (stage) => file(stage, "tokens"),
  surroundings: (stage) => ({
    [file(stage, "client_info")]: JSON.stringify({
      client_id: stage.server.clientId,
      redirect_uris: [`http://localhost:${PORT}/oauth/callback`],
      token_endpoint_auth_method: "none",
      issuer: stage.server.issuer
    })
  }),
  text: (stage) =>
    JSON.stringify(
      {
        access_token: stage.login.access_token,
        token_type: "Bearer",
        expires_in: 3600,
        scope: "mcp:use",
        refresh_token: stage.login.refresh_token,
        expires_at: Date.now() + 3_600_000,
        requested_scope: "mcp:use"
      },
      null,
      2
    ),
  stable: (text) =>
    text
      .replace(/("(?:access_token|refresh_token)": )"[^"]*"/g, "$1\"\"")
      // The answer to Lockstep's refresh brings one, and mcp-remote keeps the one that it is sent.
      .replace(/,\n {2}"id_token": "[^"]*"/, "")
      .replace(/("(?:expires_at|expires_in)": )\d+/g, "$10"),
  expired: (text) => text.replace(/("expires_at": )\d+/, "$11000"),
  token: (text) => (JSON.parse(text) as { readonly access_token: string }).access_token,
  use: (stage) =>
    Effect.gen(function*() {
      const child = yield* stage.start("mcp-remote", [stage.resource.url, PORT, "--allow-http"])
      yield* Stage.initialize(child)
    }).pipe(Effect.scoped, Effect.orDie)
})
