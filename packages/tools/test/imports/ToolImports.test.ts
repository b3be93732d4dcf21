import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import { mcpRemote } from "@lockstep/tools/imports/McpRemote"
import type { ToolEntry } from "@lockstep/tools/imports/ToolEntry"
import type { Machine } from "@lockstep/tools/imports/ToolImport"
import * as ToolImports from "@lockstep/tools/imports/ToolImports"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Samples from "./samples.js"

const { at, cs, it: idToken, rt } = Samples.tokens

/** An entry as plain data, its secrets in the open. */
const plain = (entry: ToolEntry): Readonly<Record<string, unknown>> => {
  if (entry._tag !== "Login") return { [entry._tag]: entry.name }
  const { account, ...credential } = entry.credential
  const shown = Object.entries<unknown>({ ...credential }).flatMap(([name, value]) => {
    if (!Option.isOption(value) || Option.isNone(value)) return []
    return [[name, Redacted.isRedacted(value.value) ? Redacted.value(value.value) : value.value] as const]
  })
  return {
    name: entry.name,
    suggestion: Option.getOrNull(entry.suggestion),
    account: Option.getOrNull(Option.map(account, ({ id, label }) => [Option.getOrNull(id), Option.getOrNull(label)])),
    ...Object.fromEntries(shown)
  }
}

const read = (sample: Samples.Sample, change: Parameters<typeof Samples.sourceOf>[1] = {}) =>
  Either.getOrThrowWith(sample.format.read(Samples.sourceOf(sample, change)), (damage) => new Error(damage)).map(plain)

const damageOf = (sample: Samples.Sample, text: string) =>
  Either.match(sample.format.read(Samples.sourceOf(sample, { text })), { onLeft: String, onRight: () => "read" })

const MILLIS = 1_790_000_000

describe("what each tool's file holds", () => {
  it("Codex: the ChatGPT login, and keys that are told and not taken", () => {
    deepStrictEqual(read(Samples.all.codex), [{
      name: "chatgpt",
      suggestion: "codex",
      account: ["workspace", null],
      vendor: "codex",
      accessToken: at,
      refreshToken: rt,
      idToken
    }])
    const text = JSON.stringify({ auth_mode: "apikey", OPENAI_API_KEY: cs, tokens: null })
    deepStrictEqual(read(Samples.all.codex, { text }), [{ ApiKey: "OPENAI_API_KEY" }])
    const empty = JSON.stringify({ OPENAI_API_KEY: "", tokens: { access_token: "", refresh_token: "" } })
    deepStrictEqual(read(Samples.all.codex, { text: empty }), [{ LoggedOut: "chatgpt" }])
  })

  it("Claude Code: milliseconds, the end of the login, the account from the other file", () => {
    const login = {
      name: "anthropic-oauth",
      suggestion: "anthropic-oauth",
      vendor: "anthropic-oauth",
      accessToken: at,
      refreshToken: rt,
      scope: "user:inference user:profile",
      expiresAt: MILLIS,
      loginExpiresAt: 1_792_500_000
    }
    deepStrictEqual(read(Samples.all.claudeCode), [{ ...login, account: ["uuid", "me@example.com"] }])
    deepStrictEqual(read(Samples.all.claudeCode, { companions: new Map() }), [{ ...login, account: null }])
  })

  it("Claude Code: empty tokens are a login that is over, whatever its deadline says", () => {
    const text = JSON.stringify({
      claudeAiOauth: { accessToken: "", refreshToken: "", expiresAt: 0, refreshTokenExpiresAt: 1_792_500_000_000 }
    })
    deepStrictEqual(read(Samples.all.claudeCode, { text }), [{ LoggedOut: "claudeAiOauth" }])
  })

  it("Gemini: the Google login in the clear", () => {
    deepStrictEqual(read(Samples.all.gemini), [{
      name: "google",
      suggestion: "gemini",
      account: [null, "me@example.com"],
      vendor: "gemini",
      accessToken: at,
      refreshToken: rt,
      idToken,
      tokenType: "Bearer",
      scope: "https://www.googleapis.com/auth/cloud-platform openid",
      expiresAt: MILLIS
    }])
  })

  it("Gemini: the sealed file, for this user and host alone", () => {
    deepStrictEqual(read(Samples.all.geminiSealed), [{
      name: "main-account",
      suggestion: "gemini",
      account: null,
      vendor: "gemini",
      accessToken: at,
      refreshToken: rt,
      tokenType: "Bearer",
      expiresAt: MILLIS
    }])
    const other = Samples.sealed("{}", { hostname: "elsewhere", username: "me" })
    assert.strictEqual(damageOf(Samples.all.geminiSealed, other), "sealed for another user or host, or changed since")
    const changed = Samples.all.geminiSealed.text.replace(/.$/, (digit) => digit === "0" ? "1" : "0")
    assert.strictEqual(damageOf(Samples.all.geminiSealed, changed), "sealed for another user or host, or changed since")
    assert.strictEqual(damageOf(Samples.all.geminiSealed, "{}"), "not iv:tag:cipher")
  })

  it("Gemini: logins at MCP servers, which say where to refresh", () => {
    deepStrictEqual(read(Samples.all.geminiMcp), [{
      name: "linear",
      suggestion: "mcp:linear",
      account: null,
      tokenEndpoint: "https://as.example/token",
      clientId: "client",
      accessToken: at,
      refreshToken: rt,
      tokenType: "Bearer",
      scope: "read",
      resource: "https://mcp.linear.app/mcp",
      expiresAt: MILLIS
    }])
  })

  it("opencode: milliseconds in one file, seconds in the other", () => {
    deepStrictEqual(read(Samples.all.openCode), [
      {
        name: "openai",
        suggestion: "codex",
        account: ["workspace", null],
        vendor: "codex",
        accessToken: at,
        refreshToken: rt,
        expiresAt: MILLIS
      },
      { name: "github-copilot", suggestion: "github-copilot", account: null, accessToken: at },
      { ApiKey: "openrouter" },
      { ApiKey: "https://corp.example" },
      { Foreign: "later" }
    ])
    deepStrictEqual(read(Samples.all.openCodeMcp), [
      {
        name: "linear",
        suggestion: "mcp:linear",
        account: null,
        clientId: "client",
        clientSecret: cs,
        accessToken: at,
        refreshToken: rt,
        scope: "read",
        resource: "https://mcp.linear.app/mcp",
        expiresAt: MILLIS
      },
      { LoggedOut: "begun" }
    ])
  })

  it("opencode: a brace too many behind the text is passed over, one too few is damage", () => {
    const { text } = Samples.all.openCodeMcp
    deepStrictEqual(read(Samples.all.openCodeMcp, { text: `${text}}` }), read(Samples.all.openCodeMcp))
    deepStrictEqual(read(Samples.all.openCodeMcp, { text: `${text}"begun": {}\n}\n}` }), read(Samples.all.openCodeMcp))
    assert.match(damageOf(Samples.all.openCodeMcp, text.slice(0, -1)), /^line \d+, column \d+: not JSON$/)
  })

  it("Grok: the OpenID login with its client, and no API key", () => {
    deepStrictEqual(read(Samples.all.grok), [
      {
        name: "https://auth.x.ai::b1a00492-073a-47ea-816f-4c329264a828",
        suggestion: "xai-oauth",
        account: ["u", "me@example.com"],
        vendor: "xai-oauth",
        issuer: "https://auth.x.ai",
        clientId: "b1a00492-073a-47ea-816f-4c329264a828",
        accessToken: at,
        refreshToken: rt,
        expiresAt: MILLIS
      },
      { ApiKey: "xai::api_key" }
    ])
  })

  it("mcp-remote: the registration beside it, an expiry that the file's time bounds", () => {
    deepStrictEqual(read(Samples.all.mcpRemote), [{
      name: "0123456789abcdef0123456789abcdef",
      suggestion: "mcp:0123456789abcdef0123456789abcdef",
      account: null,
      clientId: "client",
      clientSecret: cs,
      accessToken: at,
      refreshToken: rt,
      tokenType: "Bearer",
      scope: "read",
      expiresAt: MILLIS,
      obtainedAt: Samples.CHANGED
    }])
  })

  it("Copilot: GitHub's token stands for the login, at other domains too", () => {
    const login = { suggestion: "copilot", account: [null, "octocat"], vendor: "copilot", refreshToken: rt }
    deepStrictEqual(read(Samples.all.copilotHosts), [{ name: "github.com", ...login }])
    deepStrictEqual(read(Samples.all.copilotApps), [{
      name: "ghe.example:Iv1.b507a08c87ecfe98",
      ...login,
      issuer: "https://ghe.example",
      clientId: "Iv1.b507a08c87ecfe98"
    }])
  })

  it("Kiro: refreshable with the client that is registered beside it, and only then", () => {
    const login = {
      name: "kiro-auth-token",
      suggestion: "kiro",
      account: null,
      vendor: "kiro",
      issuer: "https://oidc.eu-central-1.amazonaws.com",
      accessToken: at,
      expiresAt: MILLIS
    }
    deepStrictEqual(read(Samples.all.kiro), [{
      ...login,
      clientId: "client",
      clientSecret: cs,
      clientSecretExpiresAt: 1_796_083_200,
      refreshToken: rt
    }])
    deepStrictEqual(read(Samples.all.kiro, { companions: new Map() }), [login])
  })

  it("Kiro: a hash that leads elsewhere names no file", () => {
    const { format, path } = Samples.all.kiro
    const companions = (clientIdHash: unknown) =>
      format.companions!({ path, text: JSON.stringify({ clientIdHash }), machine: Samples.machine })
    deepStrictEqual(companions("0123abcd"), ["/home/me/.aws/sso/cache/0123abcd.json"])
    deepStrictEqual(companions("../../../../etc/passwd"), [])
    deepStrictEqual(companions(7), [])
  })
})

describe("junk", () => {
  const samples: ReadonlyArray<readonly [string, Samples.Sample]> = Object.entries(Samples.all)

  it.each(samples)("%s: members of other types are absent, and never an error", (_, sample) => {
    if (sample.format === Samples.all.geminiSealed.format) return
    for (const value of [7, "text", true, null, [], {}, [[]], { x: -1 }]) {
      const spoiled = JSON.stringify(
        JSON.parse(
          sample.text,
          (key, member) => key !== "" && (typeof member !== "object" || member === null) ? value : member
        )
      )
      assert.isTrue(Either.isRight(sample.format.read(Samples.sourceOf(sample, { text: spoiled }))), String(value))
    }
  })

  it.each(samples)("%s: what is no JSON is named by its place", (_, sample) => {
    if (sample.format === Samples.all.geminiSealed.format) return
    const damage = damageOf(sample, sample.text.slice(0, sample.text.indexOf(rt) + 5))
    assert.match(damage, /^line \d+, column \d+: not JSON$/)
    assert.match(damageOf(sample, "\"text\""), /^line 1, column 1: not (of the expected kind|an object)$/)
  })
})

describe("finding", () => {
  const variables = (values: Readonly<Record<string, string>>): Machine => ({
    ...Samples.machine,
    variable: (name) => Option.fromNullable(values[name])
  })

  const place = (sample: Samples.Sample, machine: Machine) => sample.format.locate(machine)

  it("looks where the tool looks", () => {
    for (const sample of Object.values<Samples.Sample>(Samples.all)) {
      if (sample.tool !== mcpRemote) deepStrictEqual(place(sample, Samples.machine), [sample.path])
    }
  })

  it("follows the tool's variables", () => {
    deepStrictEqual(place(Samples.all.codex, variables({ CODEX_HOME: "/c" })), ["/c/auth.json"])
    deepStrictEqual(place(Samples.all.gemini, variables({ GEMINI_CLI_HOME: "/g" })), ["/g/.gemini/oauth_creds.json"])
    deepStrictEqual(place(Samples.all.openCode, variables({ XDG_DATA_HOME: "/d" })), ["/d/opencode/auth.json"])
    deepStrictEqual(place(Samples.all.grok, variables({ GROK_HOME: "/x" })), ["/x/auth.json"])
    deepStrictEqual(place(Samples.all.grok, variables({ GROK_HOME: "/x", GROK_AUTH_PATH: "/y.json" })), ["/y.json"])
    const claude = (values: Readonly<Record<string, string>>) => place(Samples.all.claudeCode, variables(values))
    deepStrictEqual(claude({ CLAUDE_CONFIG_DIR: "/c" }), ["/c/.credentials.json"])
    deepStrictEqual(claude({ CLAUDE_CONFIG_DIR: "/c", CLAUDE_SECURESTORAGE_CONFIG_DIR: "/s" }), [
      "/s/.credentials.json"
    ])
    deepStrictEqual(claude({ CLAUDE_CONFIG_DIR: "/c", CLAUDE_SECURESTORAGE_CONFIG_DIR: "" }), [
      "/home/me/.claude/.credentials.json"
    ])
  })

  it("mcp-remote: the newest version counts, by number and not by letter", () => {
    const directories: Readonly<Record<string, ReadonlyArray<string>>> = {
      "/home/me/.mcp-auth": ["mcp-remote-0.1.9", "mcp-remote-0.1.38", "mcp-remote-0.0.99", "mcp-remote-x", "other"],
      "/home/me/.mcp-auth/mcp-remote-0.1.38": ["b_tokens.json", "a_tokens.json", "a_client_info.json", "a_lock.json"]
    }
    const found = place(Samples.all.mcpRemote, {
      ...Samples.machine,
      names: (directory) => directories[directory] ?? []
    })
    deepStrictEqual(found, [
      "/home/me/.mcp-auth/mcp-remote-0.1.38/a_tokens.json",
      "/home/me/.mcp-auth/mcp-remote-0.1.38/b_tokens.json"
    ])
    deepStrictEqual(place(Samples.all.mcpRemote, Samples.machine), [])
  })

  const write = (file: string, text: string) => {
    Fs.mkdirSync(Path.dirname(file), { recursive: true })
    Fs.writeFileSync(file, text, { mode: 0o600 })
  }

  const machineAt = (home: string): Machine => ToolImports.machine({ HOME: home })

  it.scoped("reads every file that is there, follows a link, and writes none", () =>
    Effect.gen(function*() {
      const home = yield* Homes.temporary
      const elsewhere = Path.join(home, "dotfiles", "oauth_creds.json")
      write(elsewhere, Samples.all.gemini.text)
      write(Path.join(home, ".gemini", "mcp-oauth-tokens.json"), Samples.all.geminiMcp.text)
      Fs.symlinkSync(elsewhere, Path.join(home, ".gemini", "oauth_creds.json"))
      const before = Fs.readdirSync(home, { recursive: true }).sort()
      const found = yield* ToolImports.find(Samples.all.gemini.tool, machineAt(home))
      deepStrictEqual(
        found.map(({ entries, path }) => [path, Either.getOrThrow(entries).map(({ name }) => name)]),
        [[elsewhere, ["google"]], [Path.join(home, ".gemini", "mcp-oauth-tokens.json"), ["linear"]]]
      )
      assert.strictEqual(Fs.readFileSync(elsewhere, "utf8"), Samples.all.gemini.text)
      deepStrictEqual(Fs.readdirSync(home, { recursive: true }).sort(), before)
    }))

  it.scoped("reads a file by the kind that its name says, the tool's first kind otherwise", () =>
    Effect.gen(function*() {
      const home = yield* Homes.temporary
      const names = (file: string) =>
        Effect.map(
          ToolImports.find(Samples.all.openCode.tool, machineAt(home), Option.some(file)),
          (found) => found.flatMap(({ entries }) => Either.getOrThrow(entries).map(({ name }) => name))
        )
      write(Path.join(home, "mcp-auth.json"), Samples.all.openCodeMcp.text)
      write(Path.join(home, "backup.json"), Samples.all.openCode.text)
      deepStrictEqual(yield* names(Path.join(home, "mcp-auth.json")), ["linear", "begun"])
      assert.include(yield* names(Path.join(home, "backup.json")), "openrouter")
      deepStrictEqual(yield* names(Path.join(home, "missing.json")), [])
    }))

  it.scoped("tells a damaged file apart from one that cannot be opened, and hides no other", () =>
    Effect.gen(function*() {
      const home = yield* Homes.temporary
      const damaged = Path.join(home, ".config", "github-copilot", "hosts.json")
      write(damaged, `{"github.com":{"oauth_token":"${rt}"`)
      write(Path.join(home, ".config", "github-copilot", "apps.json"), Samples.all.copilotApps.text)
      const found = yield* ToolImports.find(Samples.all.copilotHosts.tool, machineAt(home))
      deepStrictEqual(found.map(({ entries }) => Either.isRight(entries)), [false, true])
      Fs.rmSync(damaged)
      Fs.mkdirSync(damaged)
      const error = yield* Effect.flip(ToolImports.find(Samples.all.copilotHosts.tool, machineAt(home)))
      assert.strictEqual(error.reason, "Read")
      assert.strictEqual(error.location, damaged)
    }))

  it.scoped("reads no file that is too large to be one of credentials", () =>
    Effect.gen(function*() {
      const home = yield* Homes.temporary
      const file = Path.join(home, ".codex", "auth.json")
      write(file, "")
      Fs.truncateSync(file, 17 * 1024 * 1024)
      const error = yield* Effect.flip(ToolImports.find(Samples.all.codex.tool, machineAt(home)))
      assert.strictEqual(error.detail, "too large")
    }))
})
