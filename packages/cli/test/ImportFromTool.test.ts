import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as UnsignedJwt from "@lockstep/testkit/vendors/UnsignedJwt"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Stage from "./support/Stage.js"

const at = FakeToken.make("at")
const rt = FakeToken.make("rt")

/** A user's home directory with files of other tools in it. */
const make = Effect.gen(function*() {
  const stage = yield* Stage.make()
  const user = join(dirname(stage.harness.home), "user")
  const env = { HOME: user, XDG_CONFIG_HOME: "", XDG_DATA_HOME: "", CODEX_HOME: "", CLAUDE_CONFIG_DIR: "" }
  return {
    ...stage,
    user,
    write: (name: string, content: unknown): string => {
      const file = join(user, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })
      return file
    },
    import: (args: ReadonlyArray<string>, circumstances: Stage.Circumstances = {}) =>
      stage.run(["import", ...args], { ...circumstances, env: { ...env, ...circumstances.env } }),
    interactively: (args: ReadonlyArray<string>) => stage.onTerminal(["import", ...args], { ...env, NO_COLOR: "1" })
  }
})

const exp = Math.floor(Date.now() / 1000) + 86_400

const codex = {
  auth_mode: "chatgpt",
  OPENAI_API_KEY: null,
  tokens: {
    id_token: UnsignedJwt.make({
      email: "me@example.com",
      "https://api.openai.com/auth": { chatgpt_account_id: "workspace" }
    }),
    access_token: UnsignedJwt.make({ exp, jti: at }),
    refresh_token: rt,
    account_id: "workspace"
  },
  last_refresh: "2026-09-01T12:00:00Z"
}

const openCodeMcp = {
  linear: {
    tokens: { accessToken: at, refreshToken: rt, expiresAt: exp, scope: "read" },
    clientInfo: { clientId: "client" },
    serverUrl: "https://mcp.linear.app/mcp"
  },
  notion: { tokens: { accessToken: at, refreshToken: rt, expiresAt: exp } }
}

describe("lockstep import --from-tool", () => {
  it.scopedLive("does not copy a refresh token for one use unasked, and says what to do instead", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const file = stage.write(".codex/auth.json", codex)
      const before = readFileSync(file, "utf8")
      const ran = yield* stage.import(["codex", "--from-tool", "codex"])
      assert.strictEqual(ran.code, 2)
      assert.strictEqual(ran.stdout, "")
      assert.match(ran.stderr, /^ENTRY +ACCOUNT +EXPIRY +WHAT +FILE\n/)
      assert.match(
        ran.stderr,
        /chatgpt +me@example\.com +in (1d|23h 59m) +refreshable, for one use +.*\.codex\/auth\.json\n/
      )
      assert.match(ran.stderr, /lockstep: sharing this login with Codex would log one of the two out\n/)
      assert.match(
        ran.stderr,
        /→ `lockstep login codex` makes a login of its own; --access-token-only .*--share-login\n/
      )
      assert.isFalse(existsSync(stage.file))
      assert.strictEqual(readFileSync(file, "utf8"), before)
    }))

  it.scopedLive("takes no access token alone that has ended, from a tool or from a document", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const ended = Math.floor(Date.now() / 1000) - 60
      stage.write(".codex/auth.json", {
        ...codex,
        tokens: { ...codex.tokens, access_token: UnsignedJwt.make({ exp: ended, jti: at }) }
      })
      const ran = yield* stage.import(["codex", "--from-tool", "codex", "--access-token-only"])
      assert.strictEqual(ran.code, 2)
      assert.match(ran.stderr, /the access token has ended, and no refresh token comes with it/)
      assert.match(
        ran.stderr,
        /→ let codex refresh it first, then import it again; or log in with `lockstep login codex`/
      )
      const file = stage.write("record.json", { access_token: at, expires_at: ended })
      const document = yield* stage.import(["codex", "--from", file, "--json"])
      assert.strictEqual(document.code, 2)
      assert.match(document.stdout, /give a refresh token, too/)
      assert.isFalse(existsSync(stage.file))
    }))

  it.scopedLive("says where a login is that only the tool can read, and what a newer store has replaced", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(".codex/config.toml", "cli_auth_credentials_store = \"keyring\"\n")
      const kept = yield* stage.import(["codex", "--from-tool", "codex"])
      assert.strictEqual(kept.code, 2)
      assert.match(kept.stderr, /Codex keeps its login in the keyring \(service Codex Auth\), which only Codex reads/)
      stage.write(".mcp-auth/mcp-remote-0.1.38/h_tokens.json", { access_token: at, refresh_token: rt })
      stage.write(".mcp-auth/mcp-remote-v1/h_client_info.json", {})
      const ran = yield* stage.import(["mcp:x", "--from-tool", "mcp-remote"])
      assert.strictEqual(ran.code, 2)
      assert.match(ran.stderr, /left by an older version; .*mcp-remote-v1 is in use/)
      assert.match(
        ran.stderr,
        /mcp-remote no longer reads its old files: .*mcp-remote-v1 is in use, and holds no login/
      )
      assert.isFalse(existsSync(stage.file))
    }))

  it.scopedLive("takes the access token alone without being asked twice", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const file = stage.write(".codex/auth.json", codex)
      const state = statSync(file, { bigint: true })
      const ran = yield* stage.import(["codex", "--from-tool", "codex", "--access-token-only", "--json"])
      assert.strictEqual(ran.code, 0, ran.stdout)
      assert.strictEqual(ran.stderr, "")
      deepStrictEqual(JSON.parse(ran.stdout), {
        tenant: "codex",
        store: stage.file,
        generation: 1,
        expires_at: exp,
        refreshable: false,
        account: { id: "workspace", label: "me@example.com" },
        from: { tool: "codex", path: file, entry: "chatgpt" }
      })
      const stored = yield* stage.stored()
      assert.notProperty(stored, "refresh_token")
      assert.strictEqual(stored!["access_token"], codex.tokens.access_token)
      assert.strictEqual(statSync(file, { bigint: true }).mtimeNs, state.mtimeNs)
    }))

  it.scopedLive("takes the refresh token on --share-login, with a warning", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(".codex/auth.json", codex)
      const ran = yield* stage.import(["codex", "--from-tool", "codex", "--share-login"])
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stderr, /warning: Codex goes on using this login\. .* logs the other one out\./)
      const stored = yield* stage.stored()
      assert.strictEqual(stored!["refresh_token"], rt)
      assert.strictEqual(stored!["vendor"], "codex")
    }))

  it.scopedLive("asks a person, for whom no is no and yes is yes", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(".codex/auth.json", codex)
      for (const [answer, code] of [["n\n", 2], ["\n", 2], ["y\n", 0]] as const) {
        const child = yield* stage.interactively(["codex", "--from-tool", "codex"])
        yield* child.write(answer)
        assert.strictEqual((yield* stage.finish(child, { coloured: true })).code, code, answer)
        assert.strictEqual(existsSync(stage.file), code === 0)
      }
    }))

  it.scopedLive("names the store of a tool whose file can be shared in place", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const claudeAiOauth = { accessToken: at, refreshToken: rt, expiresAt: exp * 1000, scopes: ["user:inference"] }
      stage.write(".claude/.credentials.json", { claudeAiOauth })
      const ran = yield* stage.import(["anthropic-oauth", "--from-tool", "claude-code"])
      assert.strictEqual(ran.code, 2)
      assert.match(ran.stderr, /→ `lockstep token anthropic-oauth --store claude-code` shares it; /)
    }))

  it.scopedLive("copies a refresh token that stays what it is without more ado", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(".gemini/oauth_creds.json", { access_token: at, refresh_token: rt, expiry_date: exp * 1000 })
      stage.write(".gemini/google_accounts.json", { active: "me@example.com", old: [] })
      const ran = yield* stage.import(["gemini", "--from-tool", "gemini"])
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.strictEqual((yield* stage.stored("gemini"))!["refresh_token"], rt)
    }))

  it.scopedLive("asks which one where there are several, and leaves a refresh token that could not be used", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(".local/share/opencode/mcp-auth.json", openCodeMcp)
      const several = yield* stage.import(["mcp:linear", "--from-tool", "opencode", "--json"])
      const error = Stage.assertToldAsJson(several, 2, "UsageError", "Input")
      assert.strictEqual(error["message"], "opencode has 2 logins: linear, notion")
      assert.strictEqual(error["advice"], "choose one with --entry NAME")
      const wrong = yield* stage.import(["mcp:linear", "--from-tool", "opencode", "--entry", "x", "--json"])
      assert.strictEqual(Stage.assertToldAsJson(wrong, 2, "UsageError")["advice"], "choose one of linear, notion")
      const ran = yield* stage.import(["mcp:linear", "--from-tool", "opencode", "--entry", "linear"])
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stderr, /linear +in (1d|23h 59m) +access token alone \(nothing says where to refresh\)/)
      const stored = yield* stage.stored("mcp:linear")
      assert.notProperty(stored, "refresh_token")
      assert.strictEqual(stored!["resource"], "https://mcp.linear.app/mcp")
    }))

  it.scopedLive("reads the file that is named, also one whose end was written twice", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const file = stage.write("backup/mcp-auth.json", `${JSON.stringify(openCodeMcp)}}`)
      const ran = yield* stage.import(["mcp:notion", "--from-tool", `opencode:${file}`, "--entry", "notion"])
      assert.strictEqual(ran.code, 0, ran.stderr)
      assert.match(ran.stdout, /^mcp:notion imported from .*backup\/mcp-auth\.json: generation 1, /)
    }))

  it.scopedLive("passes gh's question on to gh, and takes the token that gh prints", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(
        ".config/gh/hosts.yml",
        "github.com:\n    git_protocol: https\n    users:\n        me:\n    user: me\n"
      )
      const ran = yield* stage.import(["gh", "--from-tool", "gh"])
      assert.strictEqual(ran.code, 2)
      assert.match(ran.stderr, /lockstep: GitHub CLI keeps its login in the keyring\n/)
      assert.match(ran.stderr, /→ gh auth token --hostname github\.com \| lockstep import TENANT --from -\n/)
      const piped = yield* stage.import(["gh", "--from", "-"], { input: `${at}\n` })
      assert.strictEqual(piped.code, 0, piped.stderr)
      assert.strictEqual((yield* stage.stored("gh"))!["access_token"], at)
    }))

  it.scopedLive("reads gh's tokens where they are in the file", () =>
    Effect.gen(function*() {
      const stage = yield* make
      stage.write(
        ".config/gh/hosts.yml",
        `github.com:\n    users:\n        me:\n            oauth_token: ${at}\n        you:\n            oauth_token: ${at}\n` +
          `    user: me\n    oauth_token: ${at}\n`
      )
      const ran = yield* stage.import(["gh", "--from-tool", "gh", "--entry", "github.com", "--json"])
      assert.strictEqual(ran.code, 0, ran.stdout)
      const { account, from } = JSON.parse(ran.stdout) as Readonly<Record<string, Readonly<Record<string, unknown>>>>
      assert.strictEqual(account!["label"], "me")
      assert.strictEqual(from!["entry"], "github.com")
    }))

  it.scopedLive("does not take what is no login", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const told = (args: ReadonlyArray<string>) =>
        Effect.map(
          stage.import([...args, "--json"]),
          (ran) => String(Stage.assertToldAsJson(ran, 2, "UsageError", "Input")["message"])
        )
      assert.match(yield* told(["codex", "--from-tool", "codex"]), /^there is no login of Codex here \(.*auth\.json\)$/)
      stage.write(".codex/auth.json", { OPENAI_API_KEY: "lockstep-cs-key", tokens: null })
      assert.match(yield* told(["codex", "--from-tool", "codex"]), /^Codex has no login to take over in /)
      stage.write(".codex/auth.json", `{"tokens":{"refresh_token":"${rt}"`)
      assert.match(
        yield* told(["codex", "--from-tool", "codex"]),
        /auth\.json is damaged \(line 1, column \d+: not JSON\)$/
      )
      stage.write(".claude/.credentials.json", { claudeAiOauth: { accessToken: "", refreshToken: "", expiresAt: 0 } })
      assert.match(yield* told(["a", "--from-tool", "claude-code"]), /^Claude Code has no login to take over in /)
    }))

  it.scopedLive("knows no other tools, and lists those that it knows", () =>
    Effect.gen(function*() {
      const stage = yield* make
      const told = (args: ReadonlyArray<string>) =>
        Effect.map(
          stage.import([...args, "--json"]),
          (ran) => String(Stage.assertToldAsJson(ran, 2, "UsageError", "Arguments")["advice"])
        )
      assert.match(yield* told(["t", "--from-tool", "x"]), /^use one of claude-code, codex, .*mcp-remote, .*opencode/)
      assert.match(yield* told(["t", "--from-tool", "cluade-code"]), /^did you mean `claude-code`\?$/)
      assert.match(yield* told(["t", "--from-tool", "codex:"]), /^say --from-tool codex to look where/)
      assert.match(yield* told(["t"]), /lockstep import --help/)
      assert.match(yield* told(["t", "--from", "-", "--from-tool", "codex"]), /lockstep import --help/)
      assert.match(yield* told(["t", "--from", "-", "--share-login"]), /lockstep import --help/)
    }))

  it.scopedLive("replaces a live login only when told to", () =>
    Effect.gen(function*() {
      const stage = yield* make
      yield* stage.seed({ left: 3600 })
      stage.write(".codex/auth.json", codex)
      const args = ["codex", "--from-tool", "codex", "--access-token-only"]
      assert.strictEqual((yield* stage.import(args)).code, 2)
      assert.strictEqual((yield* stage.import([...args, "--replace"])).code, 0)
    }))
})
