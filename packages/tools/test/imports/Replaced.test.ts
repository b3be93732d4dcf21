/** What current versions write, and what older ones left. */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as SqliteFile from "@lockstep/tools/imports/SqliteFile"
import type { ToolEntry } from "@lockstep/tools/imports/ToolEntry"
import type { Machine } from "@lockstep/tools/imports/ToolImport"
import * as ToolImports from "@lockstep/tools/imports/ToolImports"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"

const at = FakeToken.make("at")
const rt = FakeToken.make("rt")

const setUp = Effect.map(Homes.temporary, (home) => {
  const machine = (variables: Readonly<Record<string, string>> = {}): Machine =>
    ToolImports.machine({ HOME: home, USERPROFILE: home, ...variables })
  return {
    home,
    machine,
    write: (name: string, content: unknown): string => {
      const file = Path.join(home, name)
      Fs.mkdirSync(Path.dirname(file), { recursive: true })
      Fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })
      return file
    },
    find: (tool: string, options: { readonly path?: string; readonly variables?: Record<string, string> } = {}) =>
      Effect.map(
        ToolImports.find(
          ToolImports.all.find(({ name }) => name === tool)!,
          machine(options.variables),
          Option.fromNullable(options.path)
        ),
        (found) => found.flatMap(({ entries }) => Either.getOrThrow(entries)).map(plain)
      )
  }
})

const plain = (entry: ToolEntry): ReadonlyArray<unknown> => {
  switch (entry._tag) {
    case "Login":
      return [
        entry._tag,
        entry.name,
        ...[entry.credential.accessToken, entry.credential.refreshToken].map((one) =>
          Option.getOrNull(Option.map(one, Redacted.value))
        )
      ]
    case "Replaced":
      return [entry._tag, entry.name, entry.by]
    case "Elsewhere":
      return [entry._tag, entry.name, entry.place]
    default:
      return [entry._tag, entry.name]
  }
}

/** A database as a tool makes it. */
const database = (path: string, ...statements: ReadonlyArray<string>): void => {
  Fs.mkdirSync(Path.dirname(path), { recursive: true })
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite" as "node:fs") as unknown as {
    readonly DatabaseSync: new(path: string) => { readonly exec: (sql: string) => void; readonly close: () => void }
  }
  const opened = new DatabaseSync(path)
  for (const statement of statements) opened.exec(statement)
  opened.close()
}

const CREDENTIAL = "CREATE TABLE credential (id text PRIMARY KEY, integration_id text, label text NOT NULL, "
  + "value text NOT NULL, connector_id text, method_id text, active integer, time_created integer NOT NULL, "
  + "time_updated integer NOT NULL)"

const oauth = JSON.stringify({
  type: "oauth",
  methodID: "browser",
  refresh: rt,
  access: at,
  expires: 1_790_000_000_000
})

const openCodeFile = { openai: { type: "oauth", access: "old", refresh: "old-rt", expires: 1 } }

describe("mcp-remote", () => {
  const tokens = (access: string) => ({ access_token: access, refresh_token: rt, expires_in: 3600 })

  it.scoped("0.15 says who issued a token and when it ends", () =>
    Effect.gen(function*() {
      const { machine, write } = yield* setUp
      write(".mcp-auth/mcp-remote-v1/h_tokens.json", { ...tokens(at), expires_at: 1_790_000_000_500 })
      write(".mcp-auth/mcp-remote-v1/h_client_info.json", { client_id: "client", issuer: "https://as.example" })
      const [found] = yield* ToolImports.find(ToolImports.all.find(({ name }) => name === "mcp-remote")!, machine())
      const [entry] = Either.getOrThrow(found!.entries)
      assert.isTrue(entry?._tag === "Login")
      if (entry?._tag !== "Login") return
      deepStrictEqual(entry.credential.issuer, Option.some("https://as.example"))
      deepStrictEqual(entry.credential.expiresAt, Option.some(1_790_000_000))
      deepStrictEqual(entry.suggestion, Option.some("mcp:h"))
    }))

  it.scoped("a folder of an older version is told of beside a newer one, and offered without a newer one", () =>
    Effect.gen(function*() {
      const { find, home, write } = yield* setUp
      const old = write(".mcp-auth/mcp-remote-0.1.38/h_tokens.json", tokens("old"))
      deepStrictEqual(yield* find("mcp-remote"), [["Login", "h", "old", rt]])
      write(".mcp-auth/mcp-remote-v1/h_client_info.json", {})
      const current = Path.join(home, ".mcp-auth", "mcp-remote-v1")
      deepStrictEqual(yield* find("mcp-remote"), [["Replaced", "h", current]])
      deepStrictEqual(yield* find("mcp-remote", { path: old }), [["Login", "h", "old", rt]])
      write(".mcp-auth/mcp-remote-v1/h_tokens.json", tokens(at))
      deepStrictEqual(yield* find("mcp-remote"), [["Login", "h", at, rt], ["Replaced", "h", current]])
    }))
})

describe("Copilot CLI", () => {
  it.scoped("1.0.102 keeps a token behind lines of comments, twice, or in the keyring", () =>
    Effect.gen(function*() {
      const { find, write } = yield* setUp
      const user = (login: string) => ({ host: "https://github.com", login, kind: "githubDotCom" })
      write(
        ".copilot/config.json",
        `// User settings belong in settings.json.\n// This file is managed automatically.\n${
          JSON.stringify({
            authTokens: { "https://github.com:octo:github": { token: rt }, "https://github.com:octo": { token: rt } },
            loggedInUsers: [user("octo"), user("other"), { host: "x\u001b", login: "y" }]
          })
        }`
      )
      deepStrictEqual(yield* find("copilot"), [
        ["Login", "https://github.com:octo", null, rt],
        [
          "Elsewhere",
          "https://github.com:other",
          "the keyring (service copilot-cli, account https://github.com:other), which only Copilot CLI reads"
        ]
      ])
      deepStrictEqual(yield* find("copilot", { variables: { COPILOT_HOME: "/nowhere" } }), [])
    }))
})

describe("opencode", () => {
  it.scoped("without its database has its files", () =>
    Effect.gen(function*() {
      const { find, write } = yield* setUp
      write(".local/share/opencode/auth.json", openCodeFile)
      deepStrictEqual(yield* find("opencode"), [["Login", "openai", "old", "old-rt"]])
    }))

  it.scoped.skipIf(!SqliteFile.isReadable())(
    "2 keeps them in a table, and its old file is told of and never offered",
    () =>
      Effect.gen(function*() {
        const { find, home, write } = yield* setUp
        const auth = write(".local/share/opencode/auth.json", openCodeFile)
        const path = Path.join(home, ".local", "share", "opencode", "opencode.db")
        // Version 1.18 has the table, too, and nothing in it.
        database(path, CREDENTIAL)
        deepStrictEqual(yield* find("opencode"), [["Login", "openai", "old", "old-rt"]])
        database(
          path,
          `INSERT INTO credential VALUES ('cred_1', 'openai', 'me', '${oauth}', NULL, 'browser', 1, 1, 2)`,
          `INSERT INTO credential VALUES ('cred_2', 'openrouter', 'key', '{"type":"key","key":"k"}', NULL, NULL, 1, 1, 1)`,
          "INSERT INTO credential VALUES ('cred_3', NULL, 'none', '{', NULL, NULL, 1, 1, 1)"
        )
        const before = Fs.readFileSync(path)
        deepStrictEqual((yield* find("opencode")).toSorted(), [
          ["ApiKey", "openrouter"],
          ["Login", "openai", at, rt],
          ["Replaced", "openai", path]
        ])
        deepStrictEqual(Fs.readFileSync(path), before)
        deepStrictEqual(yield* find("opencode", { path: auth }), [["Login", "openai", "old", "old-rt"]])
        deepStrictEqual((yield* find("opencode", { variables: { OPENCODE_DB: "other.db" } }))[0]?.[0], "Login")
      })
  )

  it.scoped.skipIf(SqliteFile.isReadable())(
    "2 is told of where Node reads no database, in place of its old file",
    () =>
      Effect.gen(function*() {
        const { find, write } = yield* setUp
        write(".local/share/opencode/auth.json", openCodeFile)
        const path = write(".local/share/opencode/opencode.db", `SQLite format 3\0${"\0".repeat(5_000_000)}`)
        deepStrictEqual(yield* find("opencode"), [["Login", "openai", "old", "old-rt"]])
        write(".local/share/opencode/opencode.db-wal", `\0${oauth}\0`)
        deepStrictEqual(yield* find("opencode"), [
          ["Replaced", "openai", path],
          ["Elsewhere", "opencode.db", `its database (${path}), which this version of Node cannot read`]
        ])
      })
  )
})

describe("OpenClaw", () => {
  const profiles = (access: string) => ({
    version: 1,
    profiles: {
      "openai-codex:default": {
        type: "oauth",
        provider: "openai-codex",
        access,
        refresh: rt,
        expires: 1_790_000_000_000
      },
      "anthropic:k": { type: "api_key", provider: "anthropic", key: "k" }
    }
  })

  it.scoped("of an older version keeps a file per agent", () =>
    Effect.gen(function*() {
      const { find, write } = yield* setUp
      write(".openclaw/agents/main/agent/auth-profiles.json", profiles(at))
      deepStrictEqual(yield* find("openclaw"), [
        ["Login", "main/openai-codex:default", at, rt],
        ["ApiKey", "main/anthropic:k"]
      ])
    }))

  it.scoped.skipIf(!SqliteFile.isReadable())(
    "keeps a text in a table, and its old file is never offered",
    () =>
      Effect.gen(function*() {
        const { find, home, write } = yield* setUp
        write(".openclaw/agents/main/agent/auth-profiles.json", profiles("old"))
        const path = Path.join(home, ".openclaw", "agents", "main", "agent", "openclaw-agent.sqlite")
        database(
          path,
          "CREATE TABLE auth_profile_store (store_key TEXT PRIMARY KEY, store_json TEXT, updated_at INTEGER)",
          `INSERT INTO auth_profile_store VALUES ('primary', '${JSON.stringify(profiles(at))}', 1)`
        )
        deepStrictEqual(yield* find("openclaw"), [
          ["Login", "main/openai-codex:default", at, rt],
          ["ApiKey", "main/anthropic:k"],
          ["Replaced", "main/openai-codex:default", path],
          ["ApiKey", "main/anthropic:k"]
        ])
      })
  )

  it.scoped.skipIf(SqliteFile.isReadable())("is told of where Node reads no database", () =>
    Effect.gen(function*() {
      const { find, write } = yield* setUp
      const path = write(".openclaw/agents/main/agent/openclaw-agent.sqlite", JSON.stringify(profiles(at)))
      deepStrictEqual(yield* find("openclaw"), [
        ["Elsewhere", "main", `its database (${path}), which this version of Node cannot read`]
      ])
    }))
})

describe("what is in a keyring", () => {
  const elsewhere = (tool: string, machine: Machine) =>
    (ToolImports.all.find(({ name }) => name === tool)!.elsewhere?.(machine) ?? []).map(({ place }) => place)

  it.scoped("is told of for Codex where its settings say so", () =>
    Effect.gen(function*() {
      const { machine, write } = yield* setUp
      deepStrictEqual(elsewhere("codex", machine()), [])
      write(".codex/config.toml", "model = \"x\"\n# cli_auth_credentials_store = \"keyring\"\n")
      deepStrictEqual(elsewhere("codex", machine()), [])
      write(".codex/config.toml", "model = \"x\"\ncli_auth_credentials_store = \"keyring\"\n")
      deepStrictEqual(elsewhere("codex", machine()), ["the keyring (service Codex Auth), which only Codex reads"])
    }))

  it.scoped("is told of for codex's MCP servers where no file holds them", () =>
    Effect.gen(function*() {
      const { machine, write } = yield* setUp
      deepStrictEqual(elsewhere("codex-mcp", machine()), [])
      write(".codex/config.toml", "[mcp_servers.linear]\nurl = \"https://mcp.linear.app/mcp\"\n")
      deepStrictEqual(elsewhere("codex-mcp", machine()), [
        "the keyring (service Codex MCP Credentials), which only codex reads"
      ])
      write(
        ".codex/config.toml",
        "mcp_oauth_credentials_store = \"file\"\n[mcp_servers.linear]\nurl = \"https://a.example\"\n"
      )
      deepStrictEqual(elsewhere("codex-mcp", machine()), [])
    }))

  it.scoped("is told of for Gemini where it was told to seal them, and its old file is not offered", () =>
    Effect.gen(function*() {
      const { find, machine, write } = yield* setUp
      const variables = { GEMINI_FORCE_ENCRYPTED_FILE_STORAGE: "true" }
      const keychain = "the keychain (service gemini-cli-oauth, account main-account)"
      deepStrictEqual(elsewhere("gemini", machine()), [])
      deepStrictEqual(elsewhere("gemini", machine(variables)), [`${keychain}, which only Gemini CLI reads`])
      write(".gemini/oauth_creds.json", { access_token: "old", refresh_token: rt })
      deepStrictEqual(yield* find("gemini"), [["Login", "google", "old", rt]])
      deepStrictEqual(yield* find("gemini", { variables }), [["Replaced", "google", keychain]])
    }))
})
