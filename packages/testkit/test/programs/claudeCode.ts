/** A login at an MCP server in Claude Code's file, among others, and what its program does with it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import type * as Stage from "./stage.js"

const keyOf = ({ resource }: Stage.Stage): string => {
  const config = JSON.stringify({ type: "http", url: resource.url, headers: {} })
  return `files|${createHash("sha256").update(config).digest("hex").slice(0, 16)}`
}

export const file = ({ path }: Stage.Stage): string => path(".claude", ".credentials.json")

/** Further files that it needs. */
export const surroundings = (stage: Stage.Stage): Readonly<Record<string, string>> => ({
  [stage.path(".claude.json")]: JSON.stringify({
    hasCompletedOnboarding: true,
    mcpServers: { files: { type: "http", url: stage.resource.url } }
  })
})

export const text = (stage: Stage.Stage): string =>
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
  })

export const expired = (source: string): string => source.replace(/("expiresAt":)\d+/, "$11000")

export const token = (source: string): string =>
  /"serverName":"files".*?"accessToken":"([^"]*)"/.exec(source)?.[1] ?? ""

/** Asks every server, and waits for the answers. */
export const use = (stage: Stage.Stage) =>
  Effect.gen(function*() {
    const { stderr, stdout } = yield* Effect.flatMap(stage.start("claude", ["mcp", "list"]), stage.ended)
    assert.include(stdout, "Connected", stderr)
  }).pipe(Effect.scoped)
