/**
 * A file of every tool whose logins are read, as the tool writes it. Every secret is a fake one, so that a leak is seen.
 */
import * as FakeToken from "@lockstep/testkit/FakeToken"
import { claudeCode } from "@lockstep/tools/imports/ClaudeCode"
import { codex } from "@lockstep/tools/imports/Codex"
import { copilot } from "@lockstep/tools/imports/Copilot"
import { gemini } from "@lockstep/tools/imports/Gemini"
import { grok } from "@lockstep/tools/imports/Grok"
import { kiro } from "@lockstep/tools/imports/Kiro"
import { mcpRemote } from "@lockstep/tools/imports/McpRemote"
import { openCode } from "@lockstep/tools/imports/OpenCode"
import type { Format, Machine, Source, ToolImport } from "@lockstep/tools/imports/ToolImport"
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"

const at = FakeToken.make("at")
const rt = FakeToken.make("rt")
const it = FakeToken.make("it")
const cs = FakeToken.make("cs")

export const tokens = { at, rt, it, cs }

export const machine: Machine = {
  userHome: "/home/me",
  variable: () => Option.none(),
  names: () => [],
  text: () => "",
  hostname: "host",
  username: "me"
}

export interface Sample {
  readonly tool: ToolImport
  readonly format: Format
  readonly path: string
  readonly text: string
  readonly companions?: Readonly<Record<string, string>>
}

const pretty = (value: unknown): string => JSON.stringify(value, null, 2)

/** Seals as the Gemini CLI does. */
export const sealed = (text: string, owner: Pick<Machine, "hostname" | "username"> = machine): string => {
  const key = Crypto.scryptSync("gemini-cli-oauth", `${owner.hostname}-${owner.username}-gemini-cli`, 32)
  const iv = Crypto.randomBytes(16)
  const cipher = Crypto.createCipheriv("aes-256-gcm", key, iv)
  const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()])
  return [iv, cipher.getAuthTag(), body].map((part) => part.toString("hex")).join(":")
}

export const all = {
  codex: {
    tool: codex,
    format: codex.formats[0],
    path: "/home/me/.codex/auth.json",
    text: pretty({
      auth_mode: "chatgpt",
      OPENAI_API_KEY: null,
      tokens: { id_token: it, access_token: at, refresh_token: rt, account_id: "workspace" },
      last_refresh: "2026-09-01T12:00:00.000000Z"
    })
  },
  claudeCode: {
    tool: claudeCode,
    format: claudeCode.formats[0],
    path: "/home/me/.claude/.credentials.json",
    companions: {
      "/home/me/.claude.json": pretty({ oauthAccount: { accountUuid: "uuid", emailAddress: "me@example.com" } })
    },
    text: JSON.stringify({
      claudeAiOauth: {
        accessToken: at,
        refreshToken: rt,
        expiresAt: 1_790_000_000_000,
        refreshTokenExpiresAt: 1_792_500_000_000,
        scopes: ["user:inference", "user:profile"],
        subscriptionType: "max"
      },
      mcpOAuth: { "linear|0123456789abcdef": { serverName: "linear", accessToken: at } },
      organizationUuid: "00000000-0000-0000-0000-000000000000"
    })
  },
  gemini: {
    tool: gemini,
    format: gemini.formats[0],
    path: "/home/me/.gemini/oauth_creds.json",
    companions: { "/home/me/.gemini/google_accounts.json": pretty({ active: "me@example.com", old: [] }) },
    text: JSON.stringify({
      access_token: at,
      refresh_token: rt,
      scope: "https://www.googleapis.com/auth/cloud-platform openid",
      token_type: "Bearer",
      id_token: it,
      expiry_date: 1_790_000_000_000
    })
  },
  geminiSealed: {
    tool: gemini,
    format: gemini.formats[1]!,
    path: "/home/me/.gemini/gemini-credentials.json",
    text: sealed(JSON.stringify({
      "gemini-cli-oauth": {
        "main-account": JSON.stringify({
          serverName: "main-account",
          token: { accessToken: at, refreshToken: rt, tokenType: "Bearer", expiresAt: 1_790_000_000_000 },
          updatedAt: 1_789_000_000_000
        })
      }
    }))
  },
  geminiMcp: {
    tool: gemini,
    format: gemini.formats[2]!,
    path: "/home/me/.gemini/mcp-oauth-tokens.json",
    text: pretty([{
      serverName: "linear",
      token: { accessToken: at, refreshToken: rt, expiresAt: 1_790_000_000_000, tokenType: "Bearer", scope: "read" },
      clientId: "client",
      tokenUrl: "https://as.example/token",
      mcpServerUrl: "https://mcp.linear.app/mcp",
      updatedAt: 1_789_000_000_000
    }])
  },
  openCode: {
    tool: openCode,
    format: openCode.formats[0],
    path: "/home/me/.local/share/opencode/auth.json",
    text: pretty({
      openai: { type: "oauth", refresh: rt, access: at, expires: 1_790_000_000_000, accountId: "workspace" },
      "github-copilot": { type: "oauth", refresh: at, access: at, expires: 0 },
      openrouter: { type: "api", key: cs },
      "https://corp.example/": { type: "wellknown", key: "TOKEN_ENV", token: at },
      later: { type: "passkey", secret: cs }
    })
  },
  openCodeMcp: {
    tool: openCode,
    format: openCode.formats[1]!,
    path: "/home/me/.local/share/opencode/mcp-auth.json",
    text: pretty({
      linear: {
        tokens: { accessToken: at, refreshToken: rt, expiresAt: 1_790_000_000, scope: "read" },
        clientInfo: { clientId: "client", clientSecret: cs, clientIdIssuedAt: 1_789_000_000 },
        codeVerifier: cs,
        serverUrl: "https://mcp.linear.app/mcp"
      },
      begun: { codeVerifier: cs, oauthState: "state", serverUrl: "https://mcp.example/mcp" }
    })
  },
  grok: {
    tool: grok,
    format: grok.formats[0],
    path: "/home/me/.grok/auth.json",
    text: pretty({
      "https://auth.x.ai::b1a00492-073a-47ea-816f-4c329264a828": {
        key: at,
        auth_mode: "oidc",
        user_id: "u",
        email: "me@example.com",
        refresh_token: rt,
        expires_at: "2026-09-21T14:13:20Z",
        oidc_issuer: "https://auth.x.ai",
        oidc_client_id: "b1a00492-073a-47ea-816f-4c329264a828"
      },
      "xai::api_key": { key: cs, auth_mode: "api_key", user_id: "" }
    })
  },
  mcpRemote: {
    tool: mcpRemote,
    format: mcpRemote.formats[1]!,
    path: "/home/me/.mcp-auth/mcp-remote-0.1.38/0123456789abcdef0123456789abcdef_tokens.json",
    companions: {
      "/home/me/.mcp-auth/mcp-remote-0.1.38/0123456789abcdef0123456789abcdef_client_info.json": pretty({
        client_id: "client",
        client_secret: cs,
        redirect_uris: ["http://localhost:3334/oauth/callback"]
      })
    },
    text: pretty({ access_token: at, token_type: "Bearer", refresh_token: rt, expires_in: 3600, scope: "read" })
  },
  copilotHosts: {
    tool: copilot,
    format: copilot.formats[0],
    path: "/home/me/.config/github-copilot/hosts.json",
    text: JSON.stringify({ "github.com": { user: "octocat", oauth_token: rt } })
  },
  copilotApps: {
    tool: copilot,
    format: copilot.formats[1]!,
    path: "/home/me/.config/github-copilot/apps.json",
    text: JSON.stringify({ "ghe.example:Iv1.b507a08c87ecfe98": { user: "octocat", oauth_token: rt } })
  },
  kiro: {
    tool: kiro,
    format: kiro.formats[0],
    path: "/home/me/.aws/sso/cache/kiro-auth-token.json",
    companions: {
      "/home/me/.aws/sso/cache/0123abcd.json": pretty({
        clientId: "client",
        clientSecret: cs,
        expiresAt: "2026-12-01T00:00:00Z"
      })
    },
    text: pretty({
      accessToken: at,
      refreshToken: rt,
      expiresAt: "2026-09-21T14:13:20.000Z",
      region: "eu-central-1",
      clientIdHash: "0123abcd",
      provider: "Enterprise"
    })
  }
} satisfies Readonly<Record<string, Sample>>

/** When every file changed: seconds and milliseconds. */
export const CHANGED = 1_789_996_400

export const sourceOf = (sample: Sample, change: Partial<Source> = {}): Source => ({
  path: sample.path,
  text: sample.text,
  changedAt: CHANGED * 1000,
  companions: new Map(Object.entries(sample.companions ?? {})),
  machine,
  ...change
})
